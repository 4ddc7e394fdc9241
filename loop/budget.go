package loop

import (
	"fmt"
	"sync/atomic"
)

// Defaults and bound of the budgets of [Config].
const (
	// DefaultMaxReceivingBytes lets ten answers of the largest size that brokers send unasked, 100 MiB, be collected at once.
	DefaultMaxReceivingBytes = 1 << 30
	// DefaultMaxSendingBytes lets 256 connections be stalled with DefaultMaxPendingBytes each.
	DefaultMaxSendingBytes = 256 << 20
	// MaxBudgetBytes is the largest budget.
	MaxBudgetBytes = 1 << 60
)

// lineBit in a budget's word says that somebody waits. With it the word is above every limit, so that one addition tells who takes, and who gives back,
// whether there is anything else to do.
const lineBit = 1 << 61

// bytesHeld is what the budgets of all engines hold, for the leak checks of tests.
var bytesHeld gauge

// budget counts bytes over all connections of an engine. Safe for concurrent use.
type budget struct {
	limit int64 // immutable after Start

	_    [64]byte     // what follows is written all the time, what stands around it read
	word atomic.Int64 // bytes held, and lineBit
	peak atomic.Int64 // the most held, in race builds only
	_    [64]byte
}

// add changes what is held and gives the word after it.
func (b *budget) add(n int64) int64 {
	bytesHeld.add(n)
	return b.word.Add(n)
}

// held is what is held at the moment. It may have in it what a taker is about to find too much, and to give back.
func (b *budget) held() int64 { return b.word.Load() & (lineBit - 1) }

// note keeps the peak, for tests: v is the word after something was taken.
func (b *budget) note(v int64) {
	if !counting {
		return
	}
	for v &= lineBit - 1; ; {
		peak := b.peak.Load()
		if v <= peak || b.peak.CompareAndSwap(peak, v) {
			return
		}
	}
}

// limitOf is the limit that a field of Config stands for.
func limitOf(name string, value, normal int64) (int64, error) {
	switch {
	case value < 0:
		return MaxBudgetBytes, nil
	case value == 0:
		return normal, nil
	case value > MaxBudgetBytes:
		return 0, fmt.Errorf("loop: Config.%s is %d, want at most %d: a negative value is no budget", name, value, int64(MaxBudgetBytes))
	default:
		return value, nil
	}
}

// asConfigured is the limit as Stats has it: negative for none.
func (b *budget) asConfigured() int64 {
	if b.limit == MaxBudgetBytes {
		return -1
	}
	return b.limit
}

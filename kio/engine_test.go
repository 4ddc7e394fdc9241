package kio_test

import (
	"strings"
	"testing"

	"kafkaio/internal/leak"
	"kafkaio/kio"
)

func TestEngineConfigIsBounded(t *testing.T) {
	leak.Check(t)
	for _, tt := range []struct {
		cfg                kio.EngineConfig
		receiving, sending int64  // as Stats has them
		text               string // of the refusal; "" where it passes
	}{
		{cfg: kio.EngineConfig{}, receiving: kio.DefaultMaxReceivingBytes, sending: kio.DefaultMaxSendingBytes},
		{cfg: kio.EngineConfig{MaxReceivingBytes: 1, MaxSendingBytes: 2}, receiving: 1, sending: 2},
		{cfg: kio.EngineConfig{MaxReceivingBytes: -1, MaxSendingBytes: -5}, receiving: -1, sending: -1},
		{cfg: kio.EngineConfig{MaxReceivingBytes: kio.MaxBudgetBytes - 1, MaxSendingBytes: kio.MaxBudgetBytes - 1}, receiving: kio.MaxBudgetBytes - 1, sending: kio.MaxBudgetBytes - 1},
		{cfg: kio.EngineConfig{MaxReceivingBytes: kio.MaxBudgetBytes + 1}, text: "EngineConfig.MaxReceivingBytes is 1152921504606846977, want at most 1152921504606846976"},
		{cfg: kio.EngineConfig{MaxSendingBytes: 1<<63 - 1}, text: "EngineConfig.MaxSendingBytes is 9223372036854775807"},
		{cfg: kio.EngineConfig{Loops: -1}, text: "EngineConfig.Loops is -1"},
	} {
		e, err := kio.NewEngine(tt.cfg)
		if tt.text != "" {
			if err == nil || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("%+v: error %v, want %q in it", tt.cfg, err, tt.text)
				continue
			}
			wantCode(t, err, kio.CodeInvalidArgument)
			continue
		}
		if err != nil {
			t.Errorf("%+v: %v", tt.cfg, err)
			continue
		}
		if s := e.Stats(); s.MaxReceivingBytes != tt.receiving || s.MaxSendingBytes != tt.sending || s.ReceivingBytes != 0 || s.SendingBytes != 0 {
			t.Errorf("%+v: Stats = %+v, want budgets of %d and %d, nothing held", tt.cfg, s, tt.receiving, tt.sending)
		}
		_ = e.Close()
	}
}

package work_test

import (
	"encoding/binary"
	"testing"

	"kafkaio/stress/peers/internal/work"
)

func TestFramesAreOfTheStatedSize(t *testing.T) {
	for _, w := range work.All {
		b := w.Frame()
		if got := int(binary.BigEndian.Uint32(b)); got != len(b)-4 {
			t.Errorf("%s: prefix says %d, frame has %d", w.Name, got, len(b)-4)
		}
		if w.FetchBytes == 0 && len(b) != 64 {
			t.Errorf("%s: request of %d bytes, want 64", w.Name, len(b))
		}
	}
}

func TestDefaultPeersCanDoTheirWork(t *testing.T) {
	seen := map[string]bool{}
	for _, w := range work.All {
		if seen[w.Name] {
			t.Errorf("%s is there twice", w.Name)
		}
		seen[w.Name] = true
		for _, peers := range [][]string{w.Pinned, w.Unpinned} {
			for _, p := range peers {
				if !w.Can(p) {
					t.Errorf("%s cannot do %s", p, w.Name)
				}
			}
		}
	}
}

func TestAWorkOfManyBrokersIsForClientsThatKnowThem(t *testing.T) {
	w, ok := work.Find("brokers1000-idle")
	if !ok || w.Brokers != w.Conns {
		t.Fatalf("%d brokers, %d connections; want one to each", w.Brokers, w.Conns)
	}
	for peer, can := range map[string]bool{
		work.Ours: true, work.OursGnet: true, work.FranzGo: true, work.Sarama: true, work.KafkaGo: true,
		work.NetConn: false, work.NetConnReader: false, work.CEpollMany: false, work.CryptoTLS: false,
	} {
		if w.Can(peer) != can {
			t.Errorf("%s can: %t, want %t", peer, w.Can(peer), can)
		}
	}
}

package limits

import (
	"errors"
	"runtime"
	"strings"
	"testing"
)

func TestDescriptors(t *testing.T) {
	for _, tt := range []struct {
		demand Demand
		have   int
		want   string // of the error; empty is none
	}{
		{Demand{Connections: 1000, Reserve: 200}, 1200, ""},
		{Demand{Connections: 1000, Reserve: 200}, 1199, "1,200 descriptors are needed and this machine allows 1,199: use --connections 999 or fewer"},
		{Demand{Connections: 500, Reserve: 200, OwnBrokers: true}, 1200, ""},
		{Demand{Connections: 1_000_000, Reserve: 200, OwnBrokers: true}, 20_000, "2,000,200 descriptors are needed and this machine allows 20,000: use --connections 9900 or fewer"},
		{Demand{Connections: 10, Reserve: 200}, 100, "use --connections 0 or fewer"},
	} {
		expect(t, tt.demand.checkDescriptors(tt.have), KindDescriptors, tt.want)
	}
}

func TestPorts(t *testing.T) {
	for _, tt := range []struct {
		perBroker int
		want      string
	}{
		{0, ""},
		{28_232, ""},
		{28_233, "28,233 local ports are needed and this machine allows 28,232: each connection to one broker takes one, so use at most 28232 connections"},
	} {
		expect(t, Demand{PerBroker: tt.perBroker}.checkPorts(28_232), KindPorts, tt.want)
	}
}

func expect(t *testing.T, err error, kind Kind, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Errorf("%v; want no error", err)
		}
		return
	}
	var e *Error
	if !errors.As(err, &e) || e.Kind != kind || !strings.Contains(e.Error(), want) {
		t.Errorf("%v; want %q", err, want)
	}
}

func TestPortRange(t *testing.T) {
	for _, tt := range []struct {
		text string
		want int
		ok   bool
	}{
		{"32768\t60999\n", 28_232, true},
		{"1024 1024", 1, true},
		{"", 0, false},
		{"1 2 3", 0, false},
		{"a b", 0, false},
		{"2000 1000", 0, false},
	} {
		if got, ok := portRange(tt.text); ok != tt.ok || ok && got != tt.want {
			t.Errorf("portRange(%q) = %d, %t; want %d, %t", tt.text, got, ok, tt.want, tt.ok)
		}
	}
}

func TestCheckOfThisMachine(t *testing.T) {
	if err := Check(Demand{Connections: 1, PerBroker: 1}); err != nil {
		t.Errorf("one connection: %v", err)
	}
	if runtime.GOOS == "linux" {
		if err := Check(Demand{PerBroker: 1 << 20}); err == nil {
			t.Error("a million connections to one broker are allowed, want an error: there are 65,536 ports")
		}
	}
}

func TestGroup(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 28232: "28,232", 1234567: "1,234,567"} {
		if got := group(n); got != want {
			t.Errorf("group(%d) = %s, want %s", n, got, want)
		}
	}
}

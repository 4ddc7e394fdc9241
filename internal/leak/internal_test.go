package leak

import (
	"slices"
	"strings"
	"testing"
)

func TestDescriptorsMinus(t *testing.T) {
	start := descriptors{0: "/dev/null", 1: "pipe:[1]", 4: "anon_inode:[eventpoll]", 5: "anon_inode:[eventpoll]"}
	for _, tt := range []struct {
		name string
		now  descriptors
		want []string
	}{
		{"same", start, nil},
		{"unknown", nil, nil},
		{"fewer", descriptors{0: "/dev/null"}, nil},
		{"one more", descriptors{0: "/dev/null", 1: "pipe:[1]", 4: "anon_inode:[eventpoll]", 5: "anon_inode:[eventpoll]", 6: "anon_inode:[eventpoll]"}, []string{"6 -> anon_inode:[eventpoll]"}},
		{"another number", descriptors{0: "/dev/null", 1: "pipe:[1]", 4: "anon_inode:[eventpoll]", 9: "anon_inode:[eventpoll]"}, nil},
		{"another target", descriptors{0: "/dev/null", 1: "socket:[2]", 4: "anon_inode:[eventpoll]", 5: "anon_inode:[eventpoll]"}, []string{"1 -> socket:[2]"}},
		{"sorted by number", descriptors{11: "b", 7: "a"}, []string{"7 -> a", "11 -> b"}},
	} {
		if got := tt.now.minus(start); !slices.Equal(got, tt.want) {
			t.Errorf("%s: left %q; want %q", tt.name, got, tt.want)
		}
	}
}

// fakeM is a testing.M whose tests run f and end with code.
type fakeM struct {
	f    func()
	code int
}

func (m fakeM) Run() int {
	m.f()
	return m.code
}

func TestMainTurnsALeakIntoAFailure(t *testing.T) {
	end := make(chan struct{})
	defer close(end)
	leaky := func() { go func() { <-end }() }
	clean := func() {}
	for _, tt := range []struct {
		name     string
		m        fakeM
		wantCode int
		wantText string
	}{
		{"clean", fakeM{clean, 0}, 0, ""},
		{"leaky", fakeM{leaky, 0}, 1, "after all tests: found unexpected goroutines"},
		{"failed anyway", fakeM{leaky, 3}, 3, ""},
	} {
		var stderr strings.Builder
		code := run(tt.m, &stderr, []Option{Patience(0)})
		if code != tt.wantCode || !strings.Contains(stderr.String(), tt.wantText) || tt.wantText == "" && stderr.Len() > 0 {
			t.Errorf("%s: code %d, text %q; want %d, %q", tt.name, code, stderr.String(), tt.wantCode, tt.wantText)
		}
	}
}

//go:build linux

package loop

import (
	"sync"
	"testing"
	"time"

	"kafkaio/syscalls"
)

func TestAnAlarmRingsAfterItsTime(t *testing.T) {
	var a alarm
	if err := a.init(); err != nil {
		t.Fatal(err)
	}
	defer a.close()
	for _, d := range []time.Duration{100 * time.Microsecond, 3 * time.Millisecond} {
		began := time.Now()
		a.set(d)
		a.wait()
		if took := time.Since(began); took < d {
			t.Errorf("waited %v, want %v", took, d)
		}
	}
	// Times that are over before the goroutine parks must not be missed.
	for i := range 20000 {
		a.set(time.Duration(i%10) * time.Microsecond)
		a.wait()
	}
}

func TestAnAlarmCanBeRungEarlier(t *testing.T) {
	var a alarm
	if err := a.init(); err != nil {
		t.Fatal(err)
	}
	defer a.close()
	for range 2000 { // rings before, during and after the beginning of the wait
		a.set(time.Hour)
		var rung sync.WaitGroup
		rung.Go(a.ring)
		a.wait()
		rung.Wait()
	}
}

// restless is a loop without a goroutine that would rest for 46 s, the longest there is.
func restless(t *testing.T) *epollLoop {
	t.Helper()
	l, err := newEpollLoop(&epollDriver{stopped: make(chan struct{})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.release)
	l.moderator = moderator{began: now() + int64(time.Hour), gap: 10 * time.Second}
	l.patient(stepOf(time.Hour), 1)
	return l
}

func TestARestEnds(t *testing.T) {
	for name, end := range map[string]func(l *epollLoop){
		"when a function is posted":                     func(l *epollLoop) { l.post(func() {}) },
		"when a connection must not wait":               func(l *epollLoop) { l.hot(oneHurried) },
		"when a connection is less patient":             func(l *epollLoop) { l.patient(stepOf(time.Second), 1) },
		"when a connection wants to be polled for":      func(l *epollLoop) { l.expect(time.Millisecond) },
		"when the engine stops":                         func(l *epollLoop) { l.stopping.Store(true); l.wake() },
		"when a connection must not wait and is polled": func(l *epollLoop) { l.hot(oneHurried + 1) },
	} {
		t.Run(name, func(t *testing.T) {
			l := restless(t)
			done := make(chan struct{})
			go func() { // ends with the rest; the test waits for it
				l.rest(true)
				close(done)
			}()
			untilAsleep(t, l)
			end(l)
			select {
			case <-done:
			case <-time.After(10 * time.Second):
				t.Fatal("the loop rests on")
			}
		})
	}
}

func TestARestGoesOnForThoseWhoAllowIt(t *testing.T) {
	l := restless(t)
	done := make(chan struct{})
	go func() { // ends with the rest; the test waits for it
		l.rest(true)
		close(done)
	}()
	untilAsleep(t, l)
	l.patient(stepOf(time.Hour), 1)
	l.patient(stepOf(time.Hour), -1)
	l.hot(1)
	l.hot(-1)
	if n := l.wakes.Load(); n != 0 {
		t.Errorf("the rest has been ended %d times", n)
	}
	l.post(func() {})
	<-done
}

func TestNobodyRestsForLongerThanTheLeastPatientInFlight(t *testing.T) {
	l := restless(t)
	l.moderator.gap = 100 * time.Microsecond
	for _, d := range []time.Duration{time.Millisecond, 500 * time.Microsecond} {
		l.patient(stepOf(d), 1) // though nothing has ever been answered on it
		began := now()
		l.rest(true)
		if l.rests.Load() == 0 || now()-began < int64(d) {
			t.Errorf("rested %v where %v are allowed", time.Duration(now()-began), d)
		}
		if rest := l.moderator.rest(now(), l.allowed()); rest != d {
			t.Errorf("would rest %v where one in flight allows %v", rest, d)
		}
	}
	l.patient(stepOf(time.Hour), -1)
	l.patient(stepOf(time.Millisecond), -1)
	l.patient(stepOf(500*time.Microsecond), -1)
	before := l.rests.Load()
	if l.rest(true); l.rests.Load() != before {
		t.Error("rests though nothing is in flight")
	}
}

// TestDescriptorsOutliveThoseWhoWake: the end of a rest does not wait for who has been about to ring, so the release has to.
func TestDescriptorsOutliveThoseWhoWake(t *testing.T) {
	l, err := newEpollLoop(&epollDriver{stopped: make(chan struct{})})
	if err != nil {
		t.Fatal(err)
	}
	l.waking.Add(1) // as wake does
	released := make(chan struct{})
	go func() { // ends when nobody wakes any more; the test waits for it
		l.release()
		close(released)
	}()
	select {
	case <-released:
		t.Fatal("closed under the hands of who wakes the loop")
	case <-time.After(20 * time.Millisecond):
	}
	if err := syscalls.EventfdSignal(l.wakefd); err != nil {
		t.Error(err)
	}
	l.waking.Add(-1)
	<-released
}

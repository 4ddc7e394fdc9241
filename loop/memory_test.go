package loop

import "testing"

func TestLargeBuffersHoldWhatIsAskedForAndWasteAtMostAQuarter(t *testing.T) {
	for n := minLargeBytes; n < 9<<20; n = n*101/100 + 1 {
		for _, n := range []int{n, n &^ 4095} {
			b := getLarge(n)
			if cap(b) < n || len(b) != 0 || cap(b) > n+n/4+1 {
				t.Fatalf("getLarge(%d) has a capacity of %d", n, cap(b))
			}
			class, size := largeClass(cap(b))
			if size != cap(b) {
				t.Fatalf("getLarge(%d) has a capacity of %d, which is not the size of its class %d", n, cap(b), class)
			}
			putLarge(b)
		}
	}
}

func TestLargeClassesAreInOrder(t *testing.T) {
	last, lastSize := 0, 0
	for n := 16; n < 1<<20; n++ {
		class, size := largeClass(n)
		if size > n || class < last || size < lastSize || class == last && size != lastSize && last != 0 {
			t.Fatalf("largeClass(%d) = %d, %d after %d, %d", n, class, size, last, lastSize)
		}
		last, lastSize = class, size
	}
}

package kioprom

import (
	"reflect"
	"testing"

	"kafkaio/kio"
)

// Each field of Totals has a metric, but for those that are sums of classes of errors.
func TestTotalsAreComplete(t *testing.T) {
	var one kio.Totals
	v := reflect.ValueOf(&one).Elem()
	told := func() float64 {
		sum := 0.0
		for _, m := range append(totalGauges[:len(totalGauges):len(totalGauges)], totalCounters...) {
			sum += m.value(&one)
		}
		return sum
	}
	for i := range v.NumField() {
		one = kio.Totals{}
		switch f := v.Field(i); f.Kind() {
		case reflect.Int:
			f.SetInt(1)
		case reflect.Uint64:
			f.SetUint(1)
		case reflect.Array:
			continue
		default:
			t.Fatalf("kio.Totals.%s is a %s", v.Type().Field(i).Name, f.Kind())
		}
		want := 1.0
		switch v.Type().Field(i).Name {
		case "Failed", "GaveUp", "Timeouts", "Refused":
			want = 0
		}
		if got := told(); got != want {
			t.Errorf("kio.Totals.%s stands in %v metrics, want %v", v.Type().Field(i).Name, got, want)
		}
	}
}

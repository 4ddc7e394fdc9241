//go:build race

package loop

const counting = true

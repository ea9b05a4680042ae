// Package clock tells the time, in whole milliseconds. A plugin that uses it needs `grants: { clock: true }`.
//
// Where recorded events are played, it is that of the last tick.
package clock

import "time"

//go:wasmimport serin:plugin/clock@0.1.0 wall
func wall() uint64

//go:wasmimport serin:plugin/clock@0.1.0 monotonic
func monotonic() uint64

// Wall gives the time of day. It goes back when the host's clock is set back.
func Wall() time.Time {
	return time.Unix(0, int64(wall())).UTC()
}

// Monotonic gives the time since a moment before the plugin's instance was first called. It never goes back.
func Monotonic() time.Duration {
	return time.Duration(monotonic())
}

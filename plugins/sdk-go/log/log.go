// Package log writes lines in the agent's own log. A plugin that uses it needs `grants: { log: true }`.
package log

//go:wasmimport serin:plugin/log@0.1.0 write
func write(level uint32, message string)

// Debug is for the plugin's author.
func Debug(message string) {
	write(0, message)
}

// Info is for the operator.
func Info(message string) {
	write(1, message)
}

// Warn says that the plugin goes on, but the operator should act.
func Warn(message string) {
	write(2, message)
}

// Error says that the plugin can't do its work.
func Error(message string) {
	write(3, message)
}

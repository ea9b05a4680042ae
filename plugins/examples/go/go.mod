module exec-watch

go 1.24

require serin.dev/serin v0.0.0

replace serin.dev/serin => ./build/sdk

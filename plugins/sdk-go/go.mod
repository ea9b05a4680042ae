module serin.dev/serin

go 1.24

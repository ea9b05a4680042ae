// Raises an alert when a program is run from a folder that anybody can write to.
package main

import (
	"errors"
	"fmt"
	"strings"

	"serin.dev/serin"
)

// Folders that no program should be run from; each ends with a slash.
var folders []string

func configure(text []byte) error {
	var config struct {
		Folders []string `json:"folders"`
	}
	if err := serin.Decode(text, &config); err != nil {
		return err
	}
	if config.Folders == nil {
		return errors.New("missing field `folders`")
	}
	for _, folder := range config.Folders {
		if !strings.HasSuffix(folder, "/") {
			return fmt.Errorf("`folders`: `%s` has no slash at its end: write `%s/`", folder, folder)
		}
	}
	folders = config.Folders
	return nil
}

func onEvent(event serin.Event, outcome *serin.Outcome) {
	process, _ := event.Process()
	binary := process.Binary()
	for _, folder := range folders {
		if strings.HasPrefix(binary, folder) {
			title := "a program was run from a folder that anybody can write to"
			outcome.Alert(serin.High, title).Technique("T1036.005").Field("folder", folder)
			return
		}
	}
}

func init() {
	serin.Export(serin.Plugin{
		Name:      "exec-watch",
		Version:   "0.1.0",
		Kinds:     []serin.Kind{serin.KindProcessExec},
		Configure: configure,
		OnEvent:   onEvent,
	})
}

// A component has no beginning and no end.
func main() {}

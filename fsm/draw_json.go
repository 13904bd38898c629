package fsm

import "encoding/json"

// JSON returns the machine for other programs: states, commands with their traits,
// and every legal pair of state and input with where it leads and the paragraph
// that says so. "class" and "command" are absent from edges that are signals.
func JSON() string {
	doc := jsonDoc{States: []jsonState{}, Commands: []jsonCommand{}, Edges: []jsonEdge{}}
	for _, s := range States() {
		doc.States = append(doc.States, jsonState{s, s.Phase(), s.Note(), s.Live(), s.Over(), s.InTransaction()})
	}
	for _, c := range Commands() {
		doc.Commands = append(doc.Commands, jsonCommand{
			c, c.Verb(), c.Expect().String(), c.EndsGroup(), int(c.Patience().Seconds()), c.While(),
		})
	}
	for _, e := range Edges() {
		edge := jsonEdge{From: e.From, Input: e.Input, To: e.To, InFlight: e.InFlight, Ref: e.Ref}
		if !e.Input.Signal() {
			edge.Command, edge.Class = e.Input.Command().String(), e.Input.Class().String()
		}
		doc.Edges = append(doc.Edges, edge)
	}
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		panic(err) // nothing in it can fail to marshal
	}
	return string(text) + "\n"
}

type jsonDoc struct {
	States   []jsonState   `json:"states"`
	Commands []jsonCommand `json:"commands"`
	Edges    []jsonEdge    `json:"edges"`
}

type jsonState struct {
	Name          State  `json:"name"`
	Phase         Phase  `json:"phase"`
	Note          string `json:"note"`
	Live          bool   `json:"live"`
	Over          bool   `json:"over"`
	InTransaction bool   `json:"in_transaction"`
}

type jsonCommand struct {
	Name      Command `json:"name"`
	Verb      string  `json:"verb,omitempty"`
	Expect    string  `json:"expect"`
	EndsGroup bool    `json:"ends_group"`
	Patience  int     `json:"patience_seconds"`
	While     string  `json:"while"`
}

type jsonEdge struct {
	From     State  `json:"from"`
	Input    Input  `json:"input"`
	Command  string `json:"command,omitempty"`
	Class    string `json:"class,omitempty"`
	To       State  `json:"to"`
	InFlight bool   `json:"in_flight"`
	Ref      string `json:"ref"`
}

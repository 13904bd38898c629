package parley

import (
	"cmp"
	"strconv"
)

// SurfaceRow is one name of the property-driven class: what it is here, how the command
// reaches it, how much of it works, and which test shows that.
type SurfaceRow struct {
	Name   string        `json:"name"`
	Kind   SurfaceKind   `json:"kind"`
	Symbol string        `json:"symbol"` // the Go name: "SMTP.Subject", "Firewall.Host"
	Flag   string        `json:"flag"`   // of the command; "" if it has none
	Status SurfaceStatus `json:"status"`
	Note   string        `json:"note"` // the limit, the reason, or a deliberate difference
	Test   string        `json:"test"` // as for go test -run
}

// SurfaceKind is what a row of the surface is.
type SurfaceKind uint8

// The kinds. A name that is both a property and a setting has two rows.
const (
	RowProperty SurfaceKind = iota
	RowMethod
	RowEvent
	RowSetting
	numRowKinds
)

var rowKindNames = [numRowKinds]string{"property", "method", "event", "setting"}

// String returns "property", "method", "event" or "setting".
func (k SurfaceKind) String() string {
	if k < numRowKinds {
		return rowKindNames[k]
	}
	return "kind(" + strconv.Itoa(int(k)) + ")"
}

// MarshalText makes kinds readable in JSON.
func (k SurfaceKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// SurfaceStatus says how much of a row works.
type SurfaceStatus uint8

// The statuses. What is limited or refused says so in Note, and when it is used.
const (
	Works SurfaceStatus = iota
	WorksWithLimit
	NotOffered
	numRowStatuses
)

var rowStatusNames = [numRowStatuses]string{"works", "works-with-limit", "refused"}

// String returns "works", "works-with-limit" or "refused".
func (s SurfaceStatus) String() string {
	if s < numRowStatuses {
		return rowStatusNames[s]
	}
	return "status(" + strconv.Itoa(int(s)) + ")"
}

// MarshalText makes statuses readable in JSON.
func (s SurfaceStatus) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Surface returns every row: 38 properties, 15 methods, 9 events and 69 settings, in this
// order.
func Surface() []SurfaceRow {
	var all []SurfaceRow
	for kind, rows := range [numRowKinds][]SurfaceRow{
		RowProperty: surfaceProperties, RowMethod: surfaceMethods, RowEvent: surfaceEvents, RowSetting: surfaceSettings,
	} {
		for _, r := range rows {
			r.Kind = SurfaceKind(kind)
			r.Symbol = cmp.Or(r.Symbol, "SMTP."+r.Name)
			r.Test = cmp.Or(r.Test, "TestSurface/"+r.Kind.String()+"/"+r.Name)
			if r.Kind == RowSetting {
				r.Flag = cmp.Or(r.Flag, "--set "+r.Name+"=VALUE")
			}
			all = append(all, r)
		}
	}
	return all
}

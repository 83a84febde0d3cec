package command

import _ "embed"

// DemoName is the name under which problems in the demo are reported.
const DemoName = "demo/main.synod"

//go:embed demo/main.synod
var demo []byte

// Demo is the batch file that we ship: it fills the store, then writes, reads and deletes through random replicas while
// acceptors fail and come back, checks what must hold, and ends in well under 30 seconds. It needs five replicas, a
// console that may inject faults, and Settings.Yes.
func Demo() []byte { return demo }

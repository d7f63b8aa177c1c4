package engine

// Begins says what the instances of a program begin each call with.
type Begins string

// What it can be.
const (
	Unknown      Begins = ""           // no instance was made yet
	AtCheckpoint Begins = "checkpoint" // the image of a command about to read its input
	AtStart      Begins = "start"      // the image of what is set up and initialised
	Anew         Begins = "anew"       // no image: each instance serves one call
)

// Begins tells with what each call begins, and why there is no image, or for a
// command no checkpoint.
func (p *Program) Begins() (Begins, string) {
	switch s := p.state.Load(); {
	case s == nil:
		return Unknown, ""
	case s.image == nil:
		return Anew, s.why
	case s.checkpointed:
		return AtCheckpoint, s.why
	default:
		return AtStart, s.why
	}
}

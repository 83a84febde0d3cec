package app

// Keys says which keys do what others would: from the key that a person presses to the one whose meaning it has. The
// zero value changes nothing.
type Keys map[string]string

// name gives the key that is meant.
func (k Keys) name(pressed string) string {
	if meant, ok := k[pressed]; ok {
		return meant
	}
	return pressed
}

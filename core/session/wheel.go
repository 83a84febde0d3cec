package session

// The wheel has one place for each stepMillis; deadlines further away than its
// turn go round with it and are passed over until their time.
const (
	stepMillis  = 16
	wheelPlaces = 512
)

// wheel orders tickets by deadline, roughly: those of one step hang at one place,
// in no order.
type wheel[H any] struct {
	places [wheelPlaces]*ticket[H]
	// step is the last one looked at. No ticket hangs at an earlier one.
	step  int64
	count int
}

func (w *wheel[H]) add(nowMillis int64, t *ticket[H]) {
	if w.count == 0 {
		// Nothing hangs here: the steps since the last look need not be walked.
		w.step = nowMillis / stepMillis
	}
	w.count++
	// A deadline that has passed is found at the next look.
	t.place = int(max(t.deadlineMillis/stepMillis, w.step) % wheelPlaces)
	first := w.places[t.place]
	t.previous, t.next = nil, first
	if first != nil {
		first.previous = t
	}
	w.places[t.place] = t
}

func (w *wheel[H]) remove(t *ticket[H]) {
	w.count--
	if t.previous != nil {
		t.previous.next = t.next
	} else {
		w.places[t.place] = t.next
	}
	if t.next != nil {
		t.next.previous = t.previous
	}
	t.previous, t.next = nil, nil
}

// due takes out all tickets with a deadline up to now and gives them, linked by
// next.
func (w *wheel[H]) due(nowMillis int64) *ticket[H] {
	var first, last *ticket[H]
	now := nowMillis / stepMillis
	// One turn sees all places, however long ago the last look was.
	for step := max(w.step, now-wheelPlaces+1); step <= now && w.count > 0; step++ {
		for t := w.places[step%wheelPlaces]; t != nil; {
			next := t.next
			if t.deadlineMillis <= nowMillis {
				w.remove(t)
				if last == nil {
					first = t
				} else {
					last.next = t
				}
				last = t
			}
			t = next
		}
	}
	// The present step is looked at again: some of it is still to come.
	w.step = max(w.step, now)
	return first
}

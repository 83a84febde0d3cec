package client

import "time"

// alarmPauseMin is the least time from one alarm to the next, for each looks at
// the whole table: calls that are given up one by one may wait so much longer.
const alarmPauseMin = time.Millisecond

// setAlarm makes ring run at a time, or a moment later; the mutex is held.
func (c *connection) setAlarm(at time.Time) {
	c.alarmAt = at
	if pause := time.Until(at); c.alarm == nil {
		c.alarm = time.AfterFunc(pause, c.ring)
	} else {
		c.alarm.Reset(pause)
	}
}

// ring tells the calls whose attempts have had their time, and sets the alarm to
// the first of the others. It never blocks: a call that it has told is told
// again only after its next registration.
func (c *connection) ring() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	now, next := time.Now(), time.Time{}
	for i := range c.table {
		p := &c.table[i]
		switch {
		case p.call == nil || p.told:
		case !p.call.until.After(now):
			p.told = true
			p.call.done <- impatient
		case next.IsZero() || p.call.until.Before(next):
			next = p.call.until
		}
	}
	if c.alarmAt = next; next.IsZero() {
		return
	}
	if least := now.Add(alarmPauseMin); next.Before(least) {
		next = least
	}
	c.setAlarm(next)
}

// awaitAnswer waits for a call's answer, which is certain to come.
func (c *call) awaitAnswer() {
	for signal := impatient; signal != answered; {
		signal = <-c.done
	}
}

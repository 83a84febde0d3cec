package main

import (
	"os"
	"os/signal"
	"sync"
	"syscall"

	"synod/console/command"
)

// signals ends runs: SIGINT asks kindly the first time, all else and every second signal at once. The zero value leaves
// signals alone until catch is called. Safe for concurrent use.
type signals struct {
	mutex      sync.Mutex
	arriving   chan os.Signal // nil until the first catch
	done       chan struct{}
	received   syscall.Signal // the first one, 0 if none
	soft, hard func()
}

// catch makes signals call soft or hard, until the returned function is called. From the first catch on no signal of
// these kills the process; one that came between two catches counts for the second.
func (s *signals) catch(soft, hard func()) (release func()) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.arriving == nil {
		s.arriving, s.done = make(chan os.Signal, 4), make(chan struct{})
		signal.Notify(s.arriving, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
		go s.watch(s.arriving, s.done)
	}
	s.soft, s.hard = soft, hard
	if s.received != 0 {
		hard()
	}
	return func() {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		s.soft, s.hard = nil, nil
	}
}

// watch ends with close.
func (s *signals) watch(arriving <-chan os.Signal, done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case arrived := <-arriving:
			number, _ := arrived.(syscall.Signal)
			s.take(number)
		}
	}
}

func (s *signals) take(number syscall.Signal) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	first := s.received == 0
	if first {
		s.received = number
	}
	switch {
	case s.hard == nil:
	case first && number == syscall.SIGINT:
		s.soft()
	default:
		s.hard()
	}
}

// close gives the signals their usual effects back.
func (s *signals) close() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.arriving != nil {
		signal.Stop(s.arriving)
		close(s.done)
		s.arriving = nil
	}
}

// code gives the exit code of a run that a signal has ended; otherwise it gives the run's own. A violation of the
// promise is graver than any signal.
func (s *signals) code(own int) int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.received == 0 || own == command.ExitViolation {
		return own
	}
	return 128 + int(s.received)
}

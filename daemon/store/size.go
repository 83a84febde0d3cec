package store

// DiskBytes is what the files of the store take now. It costs some microseconds and
// belongs to whoever may Apply.
func (s *Store) DiskBytes() int64 { return int64(s.db.Metrics().DiskSpaceUsage()) }

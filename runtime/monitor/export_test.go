package monitor

// Moments is how many looks are kept.
func (m *Monitor) Moments() int {
	m.history.mu.Lock()
	defer m.history.mu.Unlock()
	return len(m.history.moments)
}

// Look is what Run does once a second.
func (m *Monitor) Look() { m.history.note(m.moment(m.history.last())) }

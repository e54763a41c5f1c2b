package presence

// Figures are what was counted of a broadcast. Those that nobody counted are
// nil: an unknown number is not zero.
type Figures struct {
	PeakViewers   *int64 // at the same time
	UniqueViewers *int64 // users, however often they came
	WatchSeconds  *int64 // of all viewers together
}

package app

// newPages makes the screens in the order of their numbers.
func newPages() []page {
	return []page{
		newOverviewPage(),
		newLogsPage(),
		newEmptyPage("Faults", "Faults"),
		newEmptyPage("Ledger", "Ledger"),
		newEmptyPage("Keys", "Keys"),
		newEmptyPage("Load", "Load"),
	}
}

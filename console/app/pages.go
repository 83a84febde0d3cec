package app

// newPages makes the screens in the order of their numbers.
func newPages() []page {
	return []page{
		newOverviewPage(),
		newEmptyPage("Logs", "Logs"),
		newEmptyPage("Faults", "Faults"),
		newEmptyPage("Ledger", "Ledger"),
		newEmptyPage("Keys", "Keys"),
		newEmptyPage("Load", "Load"),
	}
}

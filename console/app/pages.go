package app

// newPages makes the screens in the order of their numbers.
func newPages() []page {
	return []page{
		newOverviewPage(),
		newLogsPage(),
		newFaultsPage(),
		newLedgerPage(),
		newKeysPage(),
		newLoadPage(),
	}
}

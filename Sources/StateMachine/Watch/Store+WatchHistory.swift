/// The history of the clients' space is what watches read.
extension Store: WatchHistory {}

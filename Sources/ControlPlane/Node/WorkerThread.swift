import Primitives

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A thread that does jobs in the order in which they were given, and hands over all that gathered
/// while it was busy at once: that is what makes group commit.
///
/// `@unchecked Sendable`: the queue is touched under the mutex only, the rest never changes.
final class WorkerThread<Job: Sendable>: @unchecked Sendable {
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var queue: [Job] = []
    private var stopping = false
    private var sleeping = false
    /// Another thread does jobs in this one's place: it takes none meanwhile.
    private var isLent = false
    private var finished = false
    private let perform: @Sendable (inout [Job]) -> Void

    /// - Parameter perform: does the jobs, on the thread; what it leaves in the array is dropped.
    init(perform: @escaping @Sendable (inout [Job]) -> Void) {
        mutex = .allocate(capacity: 1)
        condition = .allocate(capacity: 1)
        self.perform = perform
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    /// Begins to work. To be called once.
    func start() {
        let box = Unmanaged.passRetained(ThreadBody { self.run() })
        var thread = pthread_t()
        let failure = pthread_create(&thread, nil, runThreadBody, box.toOpaque())
        invariant(failure == 0, "a thread could not be started: errno \(failure)")
        pthread_detach(thread)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        pthread_cond_destroy(condition)
        mutex.deallocate()
        condition.deallocate()
    }

    func submit(_ job: Job) { submit([job]) }

    /// Several at once wake the thread once.
    func submit(_ jobs: [Job]) {
        pthread_mutex_lock(mutex)
        if queue.isEmpty { queue = jobs } else { queue += jobs }
        let wake = sleeping
        pthread_mutex_unlock(mutex)
        if wake { pthread_cond_signal(condition) }
    }

    /// Does the jobs on the calling thread when this one is idle: no thread has to wake up. False,
    /// with nothing done, when it is busy.
    func performHere(_ jobs: inout [Job]) -> Bool {
        pthread_mutex_lock(mutex)
        let isIdle = sleeping && queue.isEmpty && !stopping && !isLent
        if isIdle { isLent = true }
        pthread_mutex_unlock(mutex)
        guard isIdle else { return false }
        perform(&jobs)
        pthread_mutex_lock(mutex)
        isLent = false
        let wake = !queue.isEmpty || stopping
        pthread_mutex_unlock(mutex)
        if wake { pthread_cond_signal(condition) }
        return true
    }

    /// Lets the thread end after what was submitted before.
    func stop() {
        pthread_mutex_lock(mutex)
        stopping = true
        pthread_mutex_unlock(mutex)
        pthread_cond_broadcast(condition)
    }

    /// Blocks until what was submitted before ``stop()`` is done. Not to be called on an event
    /// loop.
    func join() {
        pthread_mutex_lock(mutex)
        while !finished { pthread_cond_wait(condition, mutex) }
        pthread_mutex_unlock(mutex)
    }

    private func finish() {
        pthread_mutex_lock(mutex)
        finished = true
        pthread_mutex_unlock(mutex)
        pthread_cond_broadcast(condition)
    }

    private func run() {
        var jobs: [Job] = []
        while true {
            jobs.removeAll(keepingCapacity: true)
            pthread_mutex_lock(mutex)
            while isLent || (queue.isEmpty && !stopping) {
                sleeping = true
                pthread_cond_wait(condition, mutex)
                sleeping = false
            }
            swap(&jobs, &queue)
            let last = stopping && jobs.isEmpty
            pthread_mutex_unlock(mutex)
            if last { return finish() }
            perform(&jobs)
        }
    }
}

/// What a new thread runs, carried through the C interface.
private final class ThreadBody {
    let body: () -> Void
    init(_ body: @escaping () -> Void) { self.body = body }
}

private func runThreadBody(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    if let argument { Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue().body() }
    return nil
}

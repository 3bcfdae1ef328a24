#if KEELSON_MUTANTS
    #if canImport(Glibc)
        internal import Glibc
    #elseif canImport(Musl)
        internal import Musl
    #endif

    /// A bug that is planted on purpose, to see it found. Compiled only where `KEELSON_MUTANTS` is
    /// in the environment of the build (`make mutants`); one process has at most one, named by
    /// `KEELSON_MUTANT` in its environment.
    package enum Mutant: String, CaseIterable, Sendable {
        // Elections
        /// A member votes for two candidates of one term.
        case votesTwice
        /// A member votes for candidates that lack entries which it has (Raft §5.4.1).
        case votesForShorterLogs
        /// A vote leaves before it is durable.
        case votesBeforeDurable
        /// A restart forgets for whom it voted.
        case forgetsVotes
        /// Half of the votes are enough.
        case countsAnyVotes
        /// Members help an election against a leader that they hear from.
        case disturbsLeaders
        /// A leader that nobody answers goes on leading (no CheckQuorum).
        case leadsWithoutQuorum
        /// A leader that can commit nothing stays.
        case clingsToOffice
        /// A leader hands over to a member that lacks entries.
        case transfersToAnybody

        // Replication and commitment
        /// A leader counts its own entries before they are durable (B02).
        case countsUnsyncedLeader
        /// One member's acknowledgement commits.
        case commitsWithoutMajority
        /// Entries of earlier terms are committed by counting (Raft §5.4.2, Figure 8).
        case commitsOldTerms
        /// A follower acknowledges before its write is durable.
        case acknowledgesBeforeSync
        /// A follower commits what it has, whether it is the leader's or not.
        case commitsUnmatched
        /// A follower keeps entries that differ from its leader's.
        case keepsConflictingEntries
        /// A follower takes entries from a leader of an earlier term.
        case heedsBygoneLeaders
        /// A write that was superseded counts as the later one of the same index.
        case countsSupersededWrites
        /// A log that differs from an installed snapshot stays.
        case keepsLogBesideSnapshot

        // Reads
        /// A leader answers reads without asking whether it leads (B18).
        case readsWithoutRound
        /// Any answer confirms the newest round of reads (B17).
        case takesAnyAnswerForReads
        /// A new leader answers reads before it knows what is committed.
        case readsBeforeFirstCommit
        /// A read is served before the store has reached its index.
        case readsBeforeApplying

        // Disks that lost something
        /// A member with an older disk, or with holes, votes and acknowledges.
        case votesWithoutAdmission
        /// Boot numbers may go back.
        case admitsOlderBoots
        /// Only the last boot number tells an older image.
        case forgetsEarlierStarts
        /// An emptied disk is as good as the one before.
        case admitsOtherDisks
        /// A fresh disk needs no more peers than a known one.
        case freshDisksNeedFewer
        /// Any snapshot makes up for any hole.
        case healsFromAnySnapshot
        /// A checkpoint behind a hole that may reach past it heals it.
        case forgetsRotBehindCheckpoint
        /// Every start draws the same boot number.
        case drawsBootNumbersTwice

        // A full disk
        /// A member whose disk is full votes and acknowledges.
        case votesOnFullDisk
        /// What a full disk did not take counts as durable.
        case countsReceivedAsDurable
        /// What finds no room is dropped.
        case dropsWritesOnFullDisk

        // Requests
        /// A forward that arrives twice is proposed twice (B24).
        case takesForwardsTwice
        /// A forward that was meant for another term is proposed.
        case takesForwardsOfOtherTerms
        /// A timeout is called a refusal.
        case callsUnknownRefused
        /// What a snapshot skipped is called refused.
        case callsSkippedRefused

        // Log and files
        /// The log is not synced (B21).
        case skipsSyncsOfTheLog
        /// Term and vote are not synced.
        case skipsSyncsOfSlots
        /// Damage in the last batch is cut like a torn tail (D05).
        case cutsRot
        /// Batches need not follow on each other.
        case ignoresTheChain
        /// A spare keeps its name while it is written.
        case keepsNamesOfSpares
        /// A recycled file may keep its old name beside the new one.
        case recyclesFilesTwice
        /// A used file is offered as one of zeros.
        case offersUsedSegments
        /// A checkpoint is written over the newest one.
        case overwritesTheNewest
        /// A checkpoint is built on rows of another store.
        case buildsOnForeignRows
        /// Changes go into whatever the older file holds by then.
        case changesAnotherBase
        /// A checkpoint that was found rotten is used again behind a failure.
        case usesRottenAgain
        /// Holes are filled without a mark.
        case fillsWithoutMark

        // Store
        /// A delete of nothing takes a revision.
        case countsEmptyRevisions
        /// Ranges in transactions are checked only where they are answered (B12).
        case checksOnlyWhereAnswered
        /// A compare with a key that is missing holds.
        case comparesMissingAsEqual
        /// Compacted revisions are served.
        case servesCompactedReads
        /// A read of the past sees the revision before.
        case readsOneRevisionBack
        /// A compaction at a deletion drops the tombstone (B10).
        case purgesAtTheFloor
        /// What the last purge left is not looked at again (B13).
        case purgesNothingTwice
        /// CORRUPT and NOSPACE refuse nothing.
        case ignoresAlarms
        /// A space alarm that somebody raised by hand is taken back at once.
        case takesBackWhatItNeverSaw
        /// A space alarm outlives the leader that raised it, though there is room.
        case forgetsWhyItWasRaised

        // Leases
        /// A key stays attached to the lease that it had before.
        case keepsOldAttachments
        /// A revocation deletes one key only.
        case revokesOneKey
        /// An expiry ends a later lease of the same id.
        case endsLaterLives
        /// A deposed leader's decisions count (B29).
        case ignoresFences
        /// Renewals are acknowledged without asking whether the leader leads (B28).
        case renewsWithoutRound
        /// Renewals are acknowledged while an expiry is on its way.
        case renewsWhateverIsInFlight
        /// A renewal leaves the shorter remainder in the log.
        case keepsRemainders
        /// What remains of leases is never written (B30).
        case neverWritesRemainders
        /// A lease that starts while its leader is behind its clock ends early.
        case forgetsTicksOwed

        /// A new leader that is behind its clock lets the leases that it finds end early.
        case forgetsTicksOwedToOldLeases

        // Members
        /// A change is carried out whether or not its voters have a majority that answers (B32).
        case changesWithoutMajority
        /// A removal or a promotion is taken whatever majority it leaves.
        case takesAnyChange
        /// A member that joins votes at once, far behind or not (B31).
        case promotesAtOnce
        /// A member that is removed is sent away before a configuration without it is committed.
        case sendsAwayTooEarly
        /// A leader that is removed leads until it is out.
        case leadsUntilItIsOut
        /// Removed members are never told (B33).
        case neverSaysRemoved
        /// A removed member that looks for somebody else hears of that alone.
        case saysWrongMemberFirst
        /// Who does not vote counts itself to a majority of those who do.
        case countsItselfAmongVoters
        /// A new member takes an old disk of another one for the right one.
        case knowsOnlyWhomItMet
        /// A member that a change of the voters admits does not notice.
        case missesItsAdmission
        /// A member takes part before its disk says for good that it may.
        case takesPartTooEarly
        /// A removed member's id is given up, and may be used again.
        case forgetsRemovedIDs
        /// Two changes of the members are decided on one state.
        case decidesTwiceOnOneState
        /// A member that answers loses its place to whoever asks for it.
        case replacesWhoAnswers
        /// Places are given anew while another member is joining.
        case replacesSeveralAtOnce
        /// A data directory that was put away is there again after a power loss.
        case losesRetirements
        /// A learner takes the place of a voter that has been silent for a moment.
        case succeedsTheLiving
        /// Who came behind one that is not known here yet is told that its place is taken.
        case callsTheUnknownLate
        /// A server asks a cluster for the place of a member that another cluster named.
        case insistsOnOtherClusters

        // Users and permissions
        /// Who may do what is judged where a command is proposed, and never again.
        case authorizesOnlyAtAdmission
        /// What a password proved still counts when it is another one.
        case trustsOldIdentities

        // Locks and elections
        /// Any deletion in a queue is taken for the one that a waiter waits for.
        case passesLocksTooEarly
        /// A waiter whose lease ended is still told that it holds the lock (B19).
        case keepsPlacesOfEndedLeases
        /// A node that is behind tells a waiter that it holds the lock.
        case passesLocksUnconfirmed
        /// A waiter is judged where it enters the queue, and not when its turn comes.
        case judgesWaitersOnce
        /// Who observes an election misses leaders that came and went in one turn.
        case missesLeadersOfOneTurn
        /// Whoever leaves a queue leaves its key there.
        case leavesKeysBehind

        // Watches
        /// After a snapshot, watches go on behind it (B06).
        case skipsWhatWasJumped
        /// A watch that compaction overtook goes on without a word (B08).
        case leapsOverCompaction
        /// A watch that catches up loses what did not fit.
        case losesTheRestOfAWindow
        /// A watch that catches up is told the last revision again (B07).
        case tellsTheLastAgain
        /// A revision is told in parts.
        case splitsRevisions

        // The datacenter
        /// What is offered to one framework is offered to the next one, too.
        case offersTwice
        /// A framework that has to find the next master is taken for gone.
        case awaitsNobody
        /// Launches that the master before committed are not sent by the next one.
        case leavesLaunchesUnsent
        /// A status is acknowledged to its agent before it is committed.
        case acknowledgesBeforeCommit
        /// A status that is committed is not kept for its framework.
        case losesStatuses
        /// What an agent that never came back ran is free at once.
        case freesUnreachable
        /// An agent starts a launch that comes again, once its task has ended.
        case startsRepeatedLaunches
        /// An agent starts a task before it has written that it does.
        case startsBeforeDurable
        /// A restarted agent does not know what it has launched.
        case forgetsLaunches
        /// An executor that comes back is told again of what it was told.
        case tellsExecutorsAgain
        /// What an executor that has ended held is never free.
        case keepsEndedExecutors
        /// A launch may take what its agent has not free.
        case launchesBeyondWhatIsFree
        /// A launch is taken for an agent that has registered anew since it was decided.
        case trustsOldSessions
        /// A task's id may be used while that task lives.
        case reusesLivingNames
        /// A role is offered more than its limit.
        case exceedsLimits
        /// What was refused is offered again at once.
        case forgetsRefusals
        /// All roles weigh the same.
        case ignoresWeights
        /// What is reserved is offered to other roles.
        case offersOthersReservations
        /// Offers go to agents that a framework's constraints rule out.
        case ignoresConstraints
        /// The past of the records goes within its window.
        case compactsTheWindow

        // Services
        /// A deployment's step is left before all is there that it asked for.
        case leavesStepsEarly
        /// A step is taken as often as somebody decided that it is.
        case repeatsSteps
        /// A new leader does not look after deployments that were under way.
        case forgetsDeployments
        /// One more that is well is ended than may be.
        case endsOneTooMany
        /// An upgrade begins as many as it likes beside those that go.
        case beginsBeyondMaximum
        /// What is begun already, and is not on record yet, is begun once more.
        case beginsAgain
        /// Where instances run does not count for the next one's place.
        case forgetsPlaces
        /// Where instances are being launched does not count for the next one's place.
        case forgetsPlacesToBe
        /// What may be committed still is taken for lost, and decided once more.
        case takesUncertainForLost
        /// What was decided for one state of a service is done to another.
        case endsForAnotherState
        /// What came back after it was replaced stays.
        case keepsSurplus

        /// The one of this process.
        package static let planted: Mutant? = {
            guard let text = getenv("KEELSON_MUTANT") else { return nil }
            let name = String(cString: text)
            guard let mutant = Mutant(rawValue: name) else {
                invariant(false, "there is no mutant \(name)")
                return nil
            }
            return mutant
        }()
    }

    package func planted(_ mutant: Mutant) -> Bool { Mutant.planted == mutant }
#endif

extension ResourceEntry {
    /// Whether the entry is one that Mesos's master would take (docs/attributes-resources.md,
    /// docs/reservation.md, docs/persistent-volume.md), within ``ResourceLimits``.
    package func validate() throws(ResourcesError) {
        try ResourceEntry.validate(name: name)
        try validateValue()
        try validateReservations()
        try validateDisk()
        guard copies >= 1, copies <= ResourceLimits.copiesMax else {
            throw .tooManyCopies(limit: ResourceLimits.copiesMax)
        }
        guard copies == 1 || isIndivisible else { throw .copiesOfDivisible(name) }
        try checkAmount()
    }

    func checkAmount() throws(ResourcesError) {
        guard case .scalar(let amount) = value else { return }
        guard amount >= 0 else { throw .negative }
        let (all, isOver) = amount.multipliedReportingOverflow(by: copies)
        guard !isOver, all <= ResourceLimits.amountMax else { throw .amountTooLarge }
    }

    /// Letters, digits, and what else does not mean something in ``ResourcesParser``'s grammar.
    static func validate(name: ByteText) throws(ResourcesError) {
        guard !name.isEmpty, name.byteCount <= ResourceLimits.nameBytesMax else {
            throw .invalidName(name)
        }
        for byte in name.text.utf8 {
            let isSpecial = ByteText("()[]{}:;,").text.utf8.contains(byte)
            guard byte > 0x20, byte != 0x7F, !isSpecial else { throw .invalidName(name) }
        }
    }

    private func validateValue() throws(ResourcesError) {
        switch value {
        case .scalar(let amount):
            guard amount >= 0 else { throw .negative }
        case .ranges(let ranges):
            guard ranges.ranges.count <= ResourceLimits.rangesMax else {
                throw .tooManyRanges(limit: ResourceLimits.rangesMax)
            }
        case .items(let items):
            guard items.count <= ResourceLimits.itemsMax else {
                throw .tooManyItems(limit: ResourceLimits.itemsMax)
            }
            for (index, item) in items.enumerated() {
                try item.checkLength()
                if index > 0, items[index - 1] >= item { throw .duplicateItem(item) }
            }
        }
    }

    private func validateReservations() throws(ResourcesError) {
        guard reservations.count <= ResourceLimits.reservationsMax else {
            throw .tooManyReservations(limit: ResourceLimits.reservationsMax)
        }
        for (index, reservation) in reservations.enumerated() {
            try reservation.validate()
            guard index > 0 else { continue }
            let below = reservations[index - 1].role
            guard below.isAncestorRole(of: reservation.role) else {
                throw .notARefinement(reservation.role, of: below)
            }
            guard reservation.kind == .dynamic else { throw .staticRefinement(reservation.role) }
        }
    }

    private func validateDisk() throws(ResourcesError) {
        if isShared, !isPersistentVolume { throw .sharedWithoutVolume(name) }
        guard let disk, !disk.isEmpty else { return }
        guard name == ResourceNames.disk, value.kind == 0 else {
            throw .diskInformationOnOther(name)
        }
        if let persistence = disk.persistence {
            guard !persistence.id.isEmpty else { throw .emptyPersistenceID }
            try persistence.id.checkLength()
            try persistence.principal?.checkLength()
            guard isReserved else { throw .volumeNotReserved(persistence.id) }
        }
        try disk.containerPath?.checkLength()
        guard disk.opaque.count <= ResourceLimits.opaqueBytesMax else {
            throw .textTooLong(limit: ResourceLimits.opaqueBytesMax)
        }
    }
}

extension Reservation {
    func validate() throws(ResourcesError) {
        guard role != ResourceNames.anyRole else { throw .invalidRole(role) }
        try role.validateRole()
        try principal?.checkLength()
        guard labels.count <= ResourceLimits.labelsMax else {
            throw .tooManyLabels(limit: ResourceLimits.labelsMax)
        }
        for label in labels {
            try label.key.checkLength()
            try label.value?.checkLength()
        }
    }
}

extension ByteText {
    /// Mesos's rule (docs/roles.md, "Invalid role names"): parts separated by single slashes; no
    /// part is empty, `.`, `..` or `*`, or begins with `-`; no white space, backslash or delete.
    /// Alone, `*` is a role. `()` would not survive the textual form.
    package func validateRole() throws(ResourcesError) {
        guard !isEmpty, byteCount <= ResourceLimits.roleBytesMax else { throw .invalidRole(self) }
        if self == ResourceNames.anyRole { return }
        for part in text.split(separator: "/", omittingEmptySubsequences: false) {
            let name = ByteText(String(part))
            let isReservedWord = name == "." || name == ".." || name == "*"
            guard !name.isEmpty, !isReservedWord, name.text.utf8.first != UInt8(ascii: "-") else {
                throw .invalidRole(self)
            }
            for byte in name.text.utf8 {
                let isSpecial = byte == UInt8(ascii: "\\") || byte == UInt8(ascii: ")")
                guard byte > 0x20, byte != 0x7F, !isSpecial else { throw .invalidRole(self) }
            }
        }
    }

    func checkLength() throws(ResourcesError) {
        guard byteCount <= ResourceLimits.textBytesMax else {
            throw .textTooLong(limit: ResourceLimits.textBytesMax)
        }
    }
}

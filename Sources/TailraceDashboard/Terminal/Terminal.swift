// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel

/// The terminal that the program runs in. It is given back as it was, whatever ends the program.
///
/// It is opened anew, so that not waiting for it concerns nobody else. Signals are taken where nothing is half done.
public final class Terminal {
    /// What happened while waiting.
    public enum Event: Equatable, Sendable {
        case key(Key)
        /// Another size, or what is shown is not known any more.
        case resized
        /// A signal wants the end, or the terminal is gone.
        case ended
    }

    /// Columns and rows when the terminal does not say.
    private static let usual = (columns: 80, rows: 24)
    /// How long a terminal that does not read may hold up the end: 250 ms.
    private static let farewell: Nanoseconds = 250_000_000

    private let descriptor: Int32
    private let takesMouse: Bool
    private var original = termios()
    private var isEntered = false
    private var isSuspended = false
    private var writer = FrameWriter()
    private var parser = KeyParser()
    private var pending: [UInt8] = []
    private var written = 0
    private var lastInput: Nanoseconds = 0
    /// Bytes that the terminal took so far.
    public private(set) var bytesWritten = 0

    /// nil: there is none, errno says why.
    public init?(takesMouse: Bool = false) {
        self.takesMouse = takesMouse
        descriptor = open("/dev/tty", O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        guard tcgetattr(descriptor, &original) == 0 else {
            close(descriptor)
            return nil
        }
        TerminalSignals.block()
    }

    deinit {
        leave()
        close(descriptor)
    }

    /// Its size in cells.
    public var size: (columns: Int, rows: Int) {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
            return Self.usual
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// Whether the last frame is not written whole yet: the next one waits for that.
    public var isBusy: Bool { written < pending.count || isSuspended }

    /// Takes the terminal: keys come as they are pressed, and the screen is ours.
    public func enter() {
        guard !isEntered else { return }
        isEntered = true
        isSuspended = false
        CrashRestorer.arm(descriptor, original, Self.restoring)
        var raw = original
        raw.c_iflag &= ~tcflag_t(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON)
        raw.c_oflag &= ~tcflag_t(OPOST)
        raw.c_lflag &= ~tcflag_t(ECHO | ECHONL | ICANON | ISIG | IEXTEN)
        raw.c_cflag = raw.c_cflag & ~tcflag_t(CSIZE | PARENB) | tcflag_t(CS8)
        tcsetattr(descriptor, TCSANOW, &raw)
        // Another screen, no cursor, no wrapping at the edge, pastes with a mark.
        pending = Array("\u{1b}[?1049h\u{1b}[?25l\u{1b}[?7l\u{1b}[?2004h".utf8)
        if takesMouse { pending.append(contentsOf: "\u{1b}[?1000h\u{1b}[?1006h".utf8) }
        written = 0
        writer.invalidate()
        writeOn()
    }

    /// Gives it back. A terminal that does not read delays that only shortly.
    public func leave() {
        guard isEntered else { return }
        isEntered = false
        let deadline = Self.clock() + Self.farewell
        while written < pending.count, Self.clock() < deadline, writeOn() { Self.rest(descriptor, POLLOUT, 10) }
        pending = Array(Self.restoring.utf8)
        written = 0
        while written < pending.count, Self.clock() < deadline, writeOn() { Self.rest(descriptor, POLLOUT, 10) }
        pending = []
        written = 0
        tcsetattr(descriptor, TCSANOW, &original)
        CrashRestorer.disarm()
    }

    /// Begins to write a frame; not while the last one is being written (`isBusy`).
    public func show(_ canvas: Canvas) {
        guard isEntered, !isBusy else { return }
        pending = writer.bytes(for: canvas)
        written = 0
        writeOn()
    }

    /// The next frame is written whole.
    public func invalidate() { writer.invalidate() }

    /// Gives the terminal back and stops; goes on where it was when continued.
    public func suspend() {
        leave()
        isSuspended = true
        kill(getpid(), SIGSTOP)
        resume()
    }

    /// Takes keys and signals, and writes on, for at most so long: as soon as there is an event, it returns.
    ///
    /// - Parameter timeout: ns.
    /// - Returns: what happened, in its order.
    public func wait(_ timeout: Nanoseconds) -> [Event] {
        var events: [Event] = []
        let patience = parser.patience.map { max(0, lastInput + $0 - Self.clock()) }
        let limit = min(timeout, patience ?? timeout)
        var query = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        if written < pending.count { query.events |= Int16(POLLOUT) }
        // In the background the terminal is somebody else's.
        if isSuspended { query.fd = -1 }
        let ready = poll(&query, 1, Int32(clamping: (limit + 999_999) / 1_000_000))
        if ready > 0 {
            if query.revents & Int16(POLLOUT) != 0, !writeOn() { events.append(.ended) }
            if query.revents & Int16(POLLIN | POLLHUP | POLLERR) != 0 { read(into: &events) }
        }
        if let patience = parser.patience, Self.clock() >= lastInput + patience {
            events += parser.giveUp().map { .key($0) }
        }
        takeSignals(into: &events)
        return events
    }

    private func read(into events: inout [Event]) {
        var bytes = [UInt8](repeating: 0, count: 1024)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        if count > 0 {
            lastInput = Self.clock()
            events += parser.take(bytes[..<count]).map { .key($0) }
        } else if count == 0 || errno != EAGAIN && errno != EINTR {
            events.append(.ended)
        }
    }

    private func takeSignals(into events: inout [Event]) {
        if isSuspended { resume() }
        while let signal = TerminalSignals.next() {
            switch signal {
            case SIGWINCH:
                writer.invalidate()
                events.append(.resized)
            case SIGTSTP:
                suspend()
                events.append(.resized)
            case SIGCONT:
                // Stopped without asking us: whoever had the terminal meanwhile has changed it.
                guard isEntered else { break }
                isEntered = false
                isSuspended = true
                resume()
                events.append(.resized)
            default: events.append(.ended)
            }
        }
    }

    /// Takes the terminal again, if it is ours.
    private func resume() {
        guard isSuspended, tcgetpgrp(descriptor) == getpgrp() else { return }
        isSuspended = false
        enter()
    }

    /// False: the terminal is gone.
    @discardableResult
    private func writeOn() -> Bool {
        while written < pending.count {
            let count = pending.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress.map { $0 + written }, $0.count - written)
            }
            if count > 0 {
                written += count
                bytesWritten += count
            } else {
                return errno == EAGAIN || errno == EINTR
            }
        }
        return true
    }

    /// Leaves nothing of ours: in a frame or not, whatever was set.
    private static let restoring =
        "\u{1b}[?2026l\u{1b}[?1006l\u{1b}[?1000l\u{1b}[?2004l\u{1b}[?7h\u{1b}[m\u{1b}[?25h\u{1b}[?1049l"

    private static func rest(_ descriptor: Int32, _ events: Int32, _ milliseconds: Int32) {
        var query = pollfd(fd: descriptor, events: Int16(events), revents: 0)
        poll(&query, 1, milliseconds)
    }

    static func clock() -> Nanoseconds {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}

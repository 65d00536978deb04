// SPDX-License-Identifier: MIT
import TailraceModel

/// A picture of numbers as SVG within a page: lines over a common axis, one panel above the other. Its colours are classes of the
/// page, so that it is readable by day, by night and on paper.
struct Plot {
    /// One line, or the area below it.
    struct Line {
        /// In the legend.
        let name: String
        /// Class of the page's style.
        let style: String
        /// nil: a gap.
        let points: [(x: Double, y: Double?)]
        var isArea = false
        var hasDots = false
    }
    /// Lines that share an axis.
    struct Panel {
        let title: String
        var lines: [Line]
        /// A value of the axis in words.
        let words: (Double) -> String
    }
    /// A place on the common axis.
    struct Mark {
        let x: Double
        let words: String
    }

    private static let width = 720.0
    private static let left = 72.0
    private static let right = 8.0
    private static let height = 96.0
    private static let top = 20.0

    let range: ClosedRange<Double>
    var panels: [Panel]
    var marks: [Mark] = []
    /// Parts of the axis that are shaded.
    var spans: [ClosedRange<Double>] = []
    /// A place of the common axis in words.
    let words: (Double) -> String
    /// For who cannot see it.
    let label: String

    /// The picture.
    var svg: String {
        let step = Self.height + Self.top + 8
        let total = Double(panels.count) * step + 22
        var svg = "<svg class=\"plot\" viewBox=\"0 0 \(Int(Self.width)) \(Int(total))\" role=\"img\" "
        svg += "aria-label=\"\(ReportHTML.text(label))\">"
        for (place, panel) in panels.enumerated() { svg += draw(panel, at: Double(place) * step + Self.top) }
        let bottom = Double(panels.count) * step - 8
        for mark in marks { svg += draw(mark, bottom: bottom) }
        for (value, anchor) in [
            (range.lowerBound, "start"), ((range.lowerBound + range.upperBound) / 2, "middle"),
            (range.upperBound, "end"),
        ] { svg += text(words(value), x: x(value), y: bottom + 16, anchor: anchor) }
        return svg + "</svg>\n"
    }

    private func x(_ value: Double) -> Double {
        let length = max(range.upperBound - range.lowerBound, .leastNormalMagnitude)
        let share = max(0, min(1, (value - range.lowerBound) / length))
        return Self.left + share * (Self.width - Self.left - Self.right)
    }

    private func draw(_ panel: Panel, at top: Double) -> String {
        let most = panel.lines.flatMap { $0.points.compactMap(\.y) }.max() ?? 0
        let y = { (value: Double) in top + Self.height * (1 - (most > 0 ? max(0, value) / most : 0)) }
        var svg = ""
        for span in spans {
            let width = max(2, x(span.upperBound) - x(span.lowerBound))
            svg += "<rect class=\"span\" x=\"\(Self.number(x(span.lowerBound)))\" y=\"\(Self.number(top))\" "
            svg += "width=\"\(Self.number(width))\" height=\"\(Self.number(Self.height))\"/>"
        }
        svg +=
            "<path class=\"axis\" d=\"M\(Self.number(Self.left)) \(Self.number(top))V\(Self.number(top + Self.height))"
        svg += "H\(Self.number(Self.width - Self.right))\"/>"
        svg += text(panel.words(most), x: Self.left - 5, y: top + 8, anchor: "end")
        svg += text("0", x: Self.left - 5, y: top + Self.height, anchor: "end")
        svg += legend(of: panel, y: top - 6)
        for line in panel.lines { svg += draw(line, y) }
        return svg
    }

    private func legend(of panel: Panel, y: Double) -> String {
        var svg = "<text x=\"\(Self.number(Self.left))\" y=\"\(Self.number(y))\">\(ReportHTML.text(panel.title))"
        for line in panel.lines where panel.lines.count > 1 {
            svg += "<tspan dx=\"12\" class=\"\(line.style)\">\u{25a0}</tspan> \(ReportHTML.text(line.name))"
        }
        return svg + "</text>"
    }

    private func draw(_ line: Line, _ y: (Double) -> Double) -> String {
        var (path, dots) = ("", "")
        var isDrawing = false
        var begin = 0.0
        var last = 0.0
        let base = Self.number(y(0))
        let close = { line.isArea && isDrawing ? "V\(base)H\(Self.number(begin))Z" : "" }
        for point in line.points {
            guard let value = point.y else {
                path += close()
                isDrawing = false
                continue
            }
            last = x(point.x)
            if !isDrawing { begin = last }
            path += "\(isDrawing ? "L" : "M")\(Self.number(last)) \(Self.number(y(value)))"
            isDrawing = true
            guard line.hasDots else { continue }
            dots +=
                "<circle class=\"\(line.style)\" cx=\"\(Self.number(last))\" cy=\"\(Self.number(y(value)))\" r=\"2.5\"/>"
        }
        path += close()
        return "<path class=\"\(line.isArea ? "area" : "line") \(line.style)\" d=\"\(path)\"/>" + dots
    }

    private func draw(_ mark: Mark, bottom: Double) -> String {
        let place = x(mark.x)
        let isRight = place > Self.width * 0.7
        let line = "<path class=\"mark\" d=\"M\(Self.number(place)) \(Self.number(Self.top))V\(Self.number(bottom))\"/>"
        return line
            + text(mark.words, x: place + (isRight ? -4 : 4), y: Self.top + 20, anchor: isRight ? "end" : "start")
    }

    private func text(_ words: String, x: Double, y: Double, anchor: String) -> String {
        "<text x=\"\(Self.number(x))\" y=\"\(Self.number(y))\" text-anchor=\"\(anchor)\">\(ReportHTML.text(words))</text>"
    }

    /// To a tenth of a unit: no more is seen.
    private static func number(_ value: Double) -> String {
        guard value.isFinite else { return "0" }
        let tenths = Int64(nearest: value * 10)
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(Double(tenths) / 10)"
    }
}

# SPDX-License-Identifier: Apache-2.0
"""The plots, written as SVG by hand: one row a workload, a dot for everybody, on a logarithmic
axis; and curves of cost against how many there are. Colours follow the reader's light or dark."""

import math
from xml.sax.saxutils import escape

from workloads import format_value

# A colour and a shape for each, so that neither is needed alone.
MARKS = {
    'isle': ('#d9480f', 'star'), 'erlang': ('#c2255c', 'circle'), 'go': ('#1098ad', 'circle'),
    'tokio': ('#ae7a00', 'diamond'), 'caf': ('#6741d9', 'square'), 'node': ('#2f9e44', 'triangle'),
    'zmq': ('#1c7ed6', 'square'), 'nng': ('#868e96', 'diamond'),
    'pthread': ('#868e96', 'circle'), 'limit': ('', 'tick'),
}
FALLBACK = ('#868e96', 'triangle')

STYLE = '''<style>
.page { fill: #ffffff; } .text { fill: #212529; } .dim { fill: #6c757d; }
.grid { stroke: #dee2e6; } .bar { stroke: #adb5bd; } .limit { stroke: #212529; }
.yes { fill: #2b8a3e; } .no { fill: #c92a2a; } .ring { stroke: #ffffff; }
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117; } .text { fill: #e6edf3; } .dim { fill: #9198a1; }
.grid { stroke: #30363d; } .bar { stroke: #6e7681; } .limit { stroke: #e6edf3; }
.yes { fill: #56d364; } .no { fill: #ff7b72; } .ring { stroke: #0d1117; }
}
text { font: 12px system-ui, sans-serif; } .small { font-size: 11px; }
.head { font-size: 15px; font-weight: 600; }
</style>'''


def mark(shape, x, y, colour, size=4.5):
    fill = f'fill="{colour}" class="ring" stroke-width="1"'
    if shape == 'tick':
        return f'<path d="M{x:.1f} {y - 7:.1f}v14" class="limit" stroke-width="2"/>'
    if shape == 'circle':
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size}" {fill}/>'
    if shape == 'square':
        return (f'<rect x="{x - size:.1f}" y="{y - size:.1f}" width="{2 * size}" '
                f'height="{2 * size}" {fill}/>')
    corners = {'diamond': [(0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)],
               'triangle': [(0, -1.2), (1.2, 1), (-1.2, 1)],
               'star': [(math.sin(i * math.pi / 5) * (2 if i % 2 == 0 else 0.9),
                         -math.cos(i * math.pi / 5) * (2 if i % 2 == 0 else 0.9))
                        for i in range(10)]}[shape]
    points = ' '.join(f'{x + dx * size:.1f},{y + dy * size:.1f}' for dx, dy in corners)
    return f'<polygon points="{points}" {fill}/>'


def text(x, y, words, kind='text', anchor='start'):
    return (f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">'
            f'{escape(words)}</text>')


class Axis:
    """A logarithmic axis from `least` to `most`, widened to whole decades."""

    def __init__(self, least, most, start, end):
        self.low = math.floor(math.log10(least) + 1e-9)
        self.high = max(self.low + 1, math.ceil(math.log10(most) - 1e-9))
        self.start, self.end = start, end

    def at(self, value):
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def decades(self):
        return [10.0 ** power for power in range(self.low, self.high + 1)]


def document(width, height, parts):
    return '\n'.join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}">', STYLE,
        f'<rect width="{width}" height="{height}" rx="8" class="page"/>', *parts, '</svg>', ''])


# --- Isle and its peers ---------------------------------------------------------------------------

LEFT, RIGHT, WIDTH, ROW = 300, 110, 1000, 24


def cost(workload, value):
    """What grows when it gets worse: throughput as nanoseconds a message."""
    return 1e9 / value if workload.higher_is_better else value


def legend(names, titles, y):
    parts, x = [], 24
    for name in names:
        colour, shape = MARKS.get(name, FALLBACK)
        parts += [mark(shape, x, y - 4, colour), text(x + 11, y, titles.get(name, name))]
        x += 34 + 6.6 * len(titles.get(name, name))
    return parts


def panel(title, unit, lines, top):
    """Rows of one unit under an axis of their own; returns the parts and where it ends."""
    every = [cost(line.workload, one.median) for line in lines
             for one in [line.isle, line.limit, *line.peers.values()] if one]
    axis = Axis(min(every), max(every), LEFT, WIDTH - RIGHT)
    bottom = top + 30 + ROW * len(lines)
    parts = [text(24, top + 4, title, 'text head')]
    for decade in axis.decades():
        x = axis.at(decade)
        parts += [f'<path d="M{x:.1f} {top + 14}V{bottom - 4}" class="grid"/>',
                  text(x, top + 8, short(unit, decade), 'dim small', 'middle')]
    parts.append(text(WIDTH - 20, top - 8, 'best peer ÷ Isle', 'dim small', 'end'))
    for index, line in enumerate(lines):
        parts += row(line, axis, top + 30 + ROW * index)
    return parts, bottom


def short(unit, value):
    return format_value(unit, value).replace('.00', '').replace('1.0 ', '1 ').replace('10.0', '10')


def row(line, axis, y):
    places = {name: axis.at(cost(line.workload, one.median)) for name, one in line.peers.items()}
    isle = axis.at(cost(line.workload, line.isle.median))
    limit = axis.at(cost(line.workload, line.limit.median)) if line.limit else None
    spread = [*places.values(), isle, *([limit] if limit is not None else [])]
    parts = [text(24, y + 4, line.workload.text),
             f'<path d="M{min(spread):.1f} {y}H{max(spread):.1f}" class="bar"/>']
    if limit is not None:
        parts.append(mark('tick', limit, y, ''))
    for name, x in sorted(places.items(), key=lambda item: -item[1]):
        colour, shape = MARKS.get(name, FALLBACK)
        parts.append(mark(shape, x, y, colour))
    parts.append(mark('star', isle, y, MARKS['isle'][0]))
    if line.peer_ratio is not None:
        kind = {'yes': 'yes', 'no': 'no'}[line.verdict]
        parts.append(text(WIDTH - 20, y + 4, f'{line.peer_ratio:.2g}×', kind, 'end'))
    elif line.limit_ratio is not None:
        parts.append(text(WIDTH - 20, y + 4, f'{line.limit_ratio:.3g}× limit',
                          {'yes': 'yes', 'no': 'no'}[line.verdict], 'end'))
    return parts


def comparison(lines, programs):
    """Time above, memory below; throughput is shown as time a message."""
    titles = {program.name: program.title for program in programs}
    shown = [line for line in lines if line.workload.group == 'lines'] or lines
    names = [program.name for program in programs]
    panels = [('Time an operation', 'ns', [line for line in shown if line.workload.unit != 'B']),
              ('Memory each', 'B', [line for line in shown if line.workload.unit == 'B'])]
    parts, y = legend(names, dict(titles, limit='limit of the machine'), 32), 70
    for title, unit, rows in panels:
        if rows:
            more, y = panel(title, unit, rows, y)
            parts += more
            y += 26
    return document(WIDTH, y, parts)


# --- Costs beside a crowd -------------------------------------------------------------------------

CURVES = {'spawn': '#d9480f', 'round-trip': '#1c7ed6', 'call': '#6741d9', 'timer': '#2f9e44',
          'port': '#ae7a00'}
CROWD_WIDTH, CROWD_HEIGHT, CROWD_GAP = 300, 210, 40


def curve(points, colour):
    line = ' '.join(f'{x:.1f},{y:.1f}' for x, y in points)
    dots = ''.join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points)
    return f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>{dots}'


def crowd_panel(title, by_operation, left, top, least, most, biggest):
    bottom = top + CROWD_HEIGHT
    across = Axis(1, biggest, left, left + CROWD_WIDTH - 20)
    up = Axis(least, most, bottom, top)
    parts = [text(left, top - 12, title)]
    for decade in up.decades():
        y = up.at(decade)
        parts += [f'<path d="M{left} {y:.1f}H{left + CROWD_WIDTH - 20}" class="grid"/>',
                  text(left - 6, y + 4, short('ns', decade), 'dim small', 'end')]
    for decade in across.decades():
        parts.append(text(across.at(decade), bottom + 16, f'{decade:,.0f}'.replace(',000,000', ' M')
                          .replace(',000', ' k'), 'dim small', 'middle'))
    for operation, by_size in by_operation.items():
        points = [(across.at(size), up.at(cost_ns)) for size, cost_ns in sorted(by_size.items())]
        parts.append(curve(points, CURVES[operation]))
    return parts


def crowds(costs, crowd_titles, operation_titles):
    """Small multiples with common axes: a panel a crowd, a curve an operation."""
    every = [value for by_operation in costs.values() for by_size in by_operation.values()
             for value in by_size.values()]
    biggest = max(size for by_operation in costs.values() for by_size in by_operation.values()
                  for size in by_size)
    parts, x = [], 70
    for operation, title in operation_titles.items():
        parts += [f'<rect x="{x}" y="22" width="14" height="4" fill="{CURVES[operation]}"/>',
                  text(x + 20, 28, title)]
        x += 44 + 6.6 * len(title)
    columns = 3
    for index, (crowd, by_operation) in enumerate(costs.items()):
        left = 70 + (index % columns) * (CROWD_WIDTH + CROWD_GAP)
        top = 74 + (index // columns) * (CROWD_HEIGHT + 70)
        parts += crowd_panel(f'beside {crowd_titles[crowd]}', by_operation, left, top,
                             min(every), max(every), max(10, biggest))
    rows = -(-len(costs) // columns)
    width, height = 70 + columns * (CROWD_WIDTH + CROWD_GAP), 60 + rows * (CROWD_HEIGHT + 70)
    return document(width, height, parts)

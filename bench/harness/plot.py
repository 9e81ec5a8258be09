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
    'posix_spawn': ('#1098ad', 'circle'), 'bwrap': ('#6741d9', 'square'),
    'seqpacket': ('#ae7a00', 'diamond'),
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
.head { font-size: 15px; font-weight: 600; } .strong { font-weight: 600; }
.plain { font-weight: 400; }
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
    return workload.size * 1e9 / value if workload.higher_is_better else value


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
             for one in [line.isle, line.limit, *line.limits.values(), *line.peers.values()] if one]
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
    limits = [axis.at(cost(line.workload, one.median))
              for one in [line.limit, *line.limits.values()] if one]
    spread = [*places.values(), isle, *limits]
    parts = [text(24, y + 4, line.workload.text),
             f'<path d="M{min(spread):.1f} {y}H{max(spread):.1f}" class="bar"/>']
    parts += [mark('tick', limit, y, '') for limit in limits]
    for name, x in sorted(places.items(), key=lambda item: -item[1]):
        colour, shape = MARKS.get(name, FALLBACK)
        parts.append(mark(shape, x, y, colour))
    parts.append(mark('star', isle, y, MARKS['isle'][0]))
    if line.peer_ratio is not None:
        kind = line.verdict or 'dim'
        parts.append(text(WIDTH - 20, y + 4, f'{line.peer_ratio:.2g}×', kind, 'end'))
    elif line.limit_ratio is not None:
        parts.append(text(WIDTH - 20, y + 4, f'{line.limit_ratio:.3g}× limit',
                          {'yes': 'yes', 'no': 'no'}[line.verdict], 'end'))
    return parts


def comparison(lines, programs):
    """Time above, memory below; throughput is shown as time a message."""
    titles = {program.name: program.title for program in programs}
    shown = [line for line in lines if line.workload.group == 'lines'] or lines
    names = [program.name for program in programs if program.name in ('isle', 'limit')
             or any(program.name in line.peers for line in shown)]
    if 'limit' not in names and any(line.limits for line in shown):
        names.append('limit')
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

# A colour and a word for each operation: the word stands where its curve ends.
CURVES = {'spawn': ('#d9480f', 'spawn'), 'round-trip': ('#1c7ed6', 'round trip'),
          'call': ('#6741d9', 'call'), 'timer': ('#2f9e44', 'timer'), 'port': ('#ae7a00', 'port')}
CROWD_COLUMNS, CROWD_WIDTH, CROWD_HEIGHT = 2, 310, 190
CROWD_LEFT, CROWD_RIGHT, CROWD_TOP, CROWD_BOTTOM = 64, 136, 92, 72
LABEL_HEIGHT = 15


def curve(points, colour):
    line = ' '.join(f'{x:.1f},{y:.1f}' for x, y in points)
    dots = ''.join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" fill="{colour}" class="ring"/>'
                   for x, y in points)
    return (f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2" '
            f'stroke-linejoin="round"/>{dots}')


def spread_out(wanted, least, most):
    """Places for labels, in the order of those wanted, none nearer to the next than its height."""
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    places, after = [0.0] * len(wanted), least
    for index in order:
        places[index] = max(wanted[index], after)
        after = places[index] + LABEL_HEIGHT
    before = most
    for index in reversed(order):
        places[index] = min(places[index], before)
        before = places[index] - LABEL_HEIGHT
    return places


def count(number):
    for size, letter in ((1000000, 'M'), (1000, 'k')):
        if number >= size:
            return f'{number / size:g} {letter}'
    return f'{number:g}'


def crowd_axes(left, top, across, up):
    bottom, right = top + CROWD_HEIGHT, left + CROWD_WIDTH
    parts = []
    for decade in up.decades():
        y = up.at(decade)
        parts += [f'<path d="M{left} {y:.1f}H{right}" class="grid"/>',
                  text(left - 8, y + 4, short('ns', decade), 'dim small', 'end')]
    for decade in across.decades():
        x = across.at(decade)
        parts += [f'<path d="M{x:.1f} {bottom}v4" class="bar"/>',
                  text(x, bottom + 18, count(decade), 'dim small', 'middle')]
    return parts


def crowd_panel(title, by_operation, growth, left, top, axes):
    """Curves on two logarithmic axes, each named at its end, with how it has grown there."""
    across = Axis(1, axes['biggest'], left, left + CROWD_WIDTH)
    up = Axis(axes['least'], axes['most'], top + CROWD_HEIGHT, top)
    parts = [text(left, top - 14, f'beside {title}', 'text strong')]
    parts += crowd_axes(left, top, across, up)
    ends = []
    for operation, by_size in by_operation.items():
        points = [(across.at(size), up.at(value)) for size, value in sorted(by_size.items())]
        parts.append(curve(points, CURVES[operation][0]))
        ends.append(points[-1])
    places = spread_out([y for _, y in ends], top, top + CROWD_HEIGHT)
    for (operation, by_size), (x, y), place in zip(by_operation.items(), ends, places):
        colour, word = CURVES[operation]
        parts += [f'<path d="M{x + 5:.1f} {y:.1f}L{x + 14:.1f} {place:.1f}" stroke="{colour}"/>',
                  f'<text x="{x + 17:.1f}" y="{place + 4:.1f}" fill="{colour}" class="strong">'
                  f'{word}'
                  f'<tspan class="dim small plain" dx="5">{growth(by_size):.2f}×</tspan></text>']
    return parts


def crowds(costs, crowd_titles, growth):
    """Small multiples with common axes: a panel a crowd, a curve an operation."""
    every = [value for by_operation in costs.values() for by_size in by_operation.values()
             for value in by_size.values()]
    sizes = [size for by_operation in costs.values() for by_size in by_operation.values()
             for size in by_size]
    axes = {'least': min(every), 'most': max(every), 'biggest': max(10, *sizes)}
    head = f'What an operation costs beside 1 to {max(sizes):,} others'
    parts = [text(24, 32, head, 'text head'),
             text(24, 51, 'Time of one operation against how many others there are; × is the cost '
                          'beside the largest crowd, in times of that beside few.', 'dim')]
    column, row_height = CROWD_LEFT + CROWD_WIDTH + CROWD_RIGHT, CROWD_HEIGHT + CROWD_BOTTOM
    for index, (crowd, by_operation) in enumerate(costs.items()):
        parts += crowd_panel(crowd_titles[crowd], by_operation, growth,
                             CROWD_LEFT + (index % CROWD_COLUMNS) * column,
                             CROWD_TOP + 10 + (index // CROWD_COLUMNS) * row_height, axes)
    rows = -(-len(costs) // CROWD_COLUMNS)
    return document(CROWD_COLUMNS * column, CROWD_TOP - 24 + rows * row_height, parts)

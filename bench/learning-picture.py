#!/usr/bin/env python3
"""Draws docs/images/learning.svg from the tables in bench/results: what auto and prefetching do on each trace, at the middle one of the sizes measured. Run from the repository."""

def rows(path, header):
    """The cells of the table whose first line begins with `header`."""
    inside = False
    for line in open(path, encoding="utf-8"):
        if line.startswith(header):
            inside = True
        elif inside and not line.startswith("|"):
            return
        elif inside and not line.startswith("|--"):
            yield [cell.strip().strip("*") for cell in line.strip().strip("|").split("|")]


def middles(table):
    """The middle row of each trace."""
    traces = {}
    for row in table:
        traces.setdefault(row[0], []).append(row)
    return {name: found[len(found) // 2] for name, found in traces.items()}


def bar(x, y, width, color, title):
    return f'<rect x="{x}" y="{y}" width="{max(width, 0.5):.1f}" height="9" fill="{color}"><title>{title}</title></rect>'


auto = middles(rows("bench/results/auto.md", "| trace | entries | arc"))
cut = middles(rows("bench/results/prefetch.md", "| trace | entries | bare miss % | bare, ref"))
line, top, name_width, panel = 26, 64, 175, 300
left, right = name_width, name_width + panel + 70 + name_width
height = top + line * max(len(auto), len(cut)) + 42
out = [
    f'<svg xmlns="http://www.w3.org/2000/svg" width="{right + panel + 110}" height="{height}" font-family="sans-serif" font-size="13">',
    '<rect width="100%" height="100%" fill="white"/>',
    f'<text x="{left}" y="24" font-size="16" font-weight="bold">Hit ratio, %: ARC and --policy auto</text>',
    f'<text x="{left}" y="44" fill="#666">grey ARC, blue auto, tick: the best of its four candidates</text>',
    f'<text x="{right}" y="24" font-size="16" font-weight="bold">Misses cut by prefetching, %</text>',
    f'<text x="{right}" y="44" fill="#666">simulated; blue: all keys can be loaded, light: only keys seen before</text>',
]
for place, (name, row) in enumerate(auto.items()):
    y = top + place * line
    entries, arc, best, chosen = row[1], float(row[2]), float(row[6]), float(row[7])
    out.append(f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">{name} ({entries})</text>')
    out.append(bar(left, y, arc * panel / 100, "#b5b5b5", f"ARC {arc}"))
    out.append(bar(left, y + 10, chosen * panel / 100, "#2f6fbb", f"auto {chosen}"))
    out.append(f'<line x1="{left + best * panel / 100:.1f}" y1="{y - 1}" x2="{left + best * panel / 100:.1f}" y2="{y + 20}" stroke="black"/>')
    out.append(f'<text x="{left + max(arc, chosen, best) * panel / 100 + 6:.1f}" y="{y + 15}" fill="#2f6fbb">{chosen:.1f}</text>')
for place, (name, row) in enumerate(cut.items()):
    y = top + place * line
    entries, won, seen = row[1], float(row[5]), float(row[9])
    out.append(f'<text x="{right - 8}" y="{y + 14}" text-anchor="end">{name} ({entries})</text>')
    out.append(bar(right, y, won * panel / 100, "#2f6fbb", f"{won}"))
    out.append(bar(right, y + 10, seen * panel / 100, "#9dc0e6", f"{seen}"))
    out.append(f'<text x="{right + won * panel / 100 + 6:.1f}" y="{y + 15}" fill="#2f6fbb">{won:.1f}</text>')
out.append(f'<text x="{left - 167}" y="{height - 14}" fill="#666" font-size="12">In brackets: entries in memory. All sizes: bench/results/auto.md, bench/results/prefetch.md</text>')
out.append("</svg>")
with open("docs/images/learning.svg", "w", encoding="utf-8") as file:
    file.write("\n".join(out) + "\n")

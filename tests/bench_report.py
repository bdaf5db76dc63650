# SPDX-License-Identifier: Apache-2.0
"""What tests/bench prints: medians of the rounds, as text, Markdown and JSON."""
import platform
import re
import statistics
import subprocess

HEADER = """\
wall and cpu are seconds, the latter of a tool's own processes; peak is MiB resident of the largest of them. Of
tasks with docker both are with the daemon, whoever uses it. sent is MB over loopback, both ways; requests are
those that the registry answered. ours/its is what cog-push takes, divided by what the tool takes: wall, cpu."""

VERSIONS = {"docker-registry": ["docker-registry", "--version"], "skopeo": ["skopeo", "--version"],
            "podman": ["podman", "--version"], "buildah": ["buildah", "--version"], "docker": ["dockerd", "--version"],
            "crane": ["crane", "version"], "oras": ["oras", "version"], "regctl": ["regctl", "version"],
            "curl": ["curl", "--version"]}


def machine():
    """Where it ran, in a line."""
    with open("/proc/cpuinfo") as file:
        models = re.findall(r"model name\s*: (.*)", file.read()) or [platform.machine()]
    system = platform.freedesktop_os_release()
    versions = []
    for tool, command in VERSIONS.items():
        try:
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError):
            continue
        if found := re.search(r"\d+\.\d+[0-9.]*", said):
            versions.append(f"{tool} {found[0]}")
    return (f"{len(models)} x {models[0]}, {system['PRETTY_NAME']}, Linux {platform.release()}; "
            + ", ".join(versions))


def summary(results):
    """The median of each figure, and the ratios. RESULTS has lists of figures, by task and tool."""
    table = {task: {tool: {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
                    for tool, rounds in tools.items()} for task, tools in results.items()}
    if "floor" in table:
        parts = list(table["floor"].values())
        table["floor"]["all of it"] = {
            key: (max if key == "peak" else sum)(part[key] for part in parts) for key in parts[0]}
    for tools in table.values():
        ours = tools.get("cog-push")
        for tool, row in tools.items():
            for key in ("wall", "cpu"):
                if "unit" in row:
                    row[f"{key}_ms_each"] = row[key] * 1000 / row["units"]
                elif ours and tool != "cog-push" and row[key]:
                    row[f"{key}_ratio"] = ours[key] / row[key]
    return table


def cells(row):
    """Of a line of the table: wall, cpu, peak, sent, requests, and what is worked out."""
    last = ""
    if "wall_ratio" in row:
        last = f"{row['wall_ratio']:.2f}" + (f", {row['cpu_ratio']:.2f}" if "cpu_ratio" in row else "")
    elif "wall_ms_each" in row:
        last = f"{row['wall_ms_each']:.2f}, {row['cpu_ms_each']:.2f} ms"
    return [f"{row['wall']:.2f}", f"{row['cpu']:.2f}", f"{row['peak']:.0f}", f"{row['sent']:.1f}",
            f"{row['requests']:.0f}", last]


def as_text(table):
    lines = [f"{'task':18} {'tool':20} {'wall':>7} {'cpu':>7} {'peak':>6} {'sent':>8} {'requests':>8}  ours/its"]
    for task, tools in table.items():
        for tool, row in tools.items():
            wall, cpu, peak, sent, requests, last = cells(row)
            lines.append(f"{task:18} {tool:20} {wall:>7} {cpu:>7} {peak:>6} {sent:>8} {requests:>8}  {last}".rstrip())
    return "\n".join(lines) + "\n"


def as_markdown(table):
    lines = ["| task | tool | wall, s | CPU, s | peak, MiB | sent, MB | requests | ours/its wall, CPU |",
             "|---|---|--:|--:|--:|--:|--:|--:|"]
    for task, tools in table.items():
        for tool, row in tools.items():
            lines.append("| " + " | ".join([task, tool, *cells(row)]) + " |")
    return "\n".join(lines) + "\n"

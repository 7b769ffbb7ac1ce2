"""What people read: a line for each round, a finding as a table, the summary."""


WIDTH = 118


def round_line(number, seed, figures, findings, seconds):
    found = "; ".join(sorted({finding.kind for finding in findings})) or "ok"
    return (f"round {number:<3} seed {seed}: {figures['operations']} operations, {figures['message']} deliveries, "
            f"{figures['resets']} cuts, {figures['kill']} kills, {seconds:.1f} s: {found}")


def summary(totals, found):
    lines = [f"{totals['rounds']} rounds, {totals['operations']} operations ({totals['publish']} publications, "
             f"{totals['completed']} acknowledged), {totals['message']} deliveries",
             f"faults: {totals['resets']} cuts, {totals['silent']} stalled readers, {totals['lapse']} lapses, "
             f"{totals['kill']} kills; {totals['connect']} connections"]
    lines.append("findings: " + (", ".join(f"{kind} {count}" for kind, count in sorted(found.items())) or "none"))
    return "\n".join(lines)


def _relevant(events, finding):
    """The events that a reader needs: those of the messages and connections that the finding names, and kills."""
    ops, conns = set(finding.ops), set(finding.conns)
    for event in events:
        kind = event["e"]
        will = event.get("will")
        if kind in ("kill", "up") or event.get("op") in ops:
            yield event
        elif event.get("conn") in conns and kind in ("connect", "connected", "refused", "disconnect", "closed",
                                                     "subscribe", "subscribed", "unsubscribe", "unsubscribed",
                                                     "silent", "lapse", "strange", "drained"):
            yield event
        elif kind == "connect" and isinstance(will, dict) and will["op"] in ops:
            yield event


def _words(event):
    hidden = ("t", "e", "actor", "conn")
    parts = []
    for key, value in event.items():
        if key in hidden or value is None or value is False or value == []:
            continue
        if key == "filters":
            value = " ".join(each if isinstance(each, str) else f"{each['filter']}@{each['qos']}" + "".join(
                f",{name}={each[name]}" for name in ("nl", "rap", "rh", "id") if each.get(name)) for each in value)
        parts.append(f"{key}={value}")
    if event["e"] == "connect" and event["expiry"] is None:
        parts.append("expiry=never")
    return " ".join(parts)


def table(events):
    """A history, an event a line."""
    lines = [f"{'seconds':>9}  {'connection':14} {'event':16} what"]
    for event in events:
        line = (f"{event['t']:9.3f}  {event.get('conn') or event.get('actor') or 'broker':14} {event['e']:16} "
                f"{_words(event)}")
        lines.append(line if len(line) <= 400 else line[:397] + "...")
    return "\n".join(lines)


def findings_text(plan, events, findings, limits):
    """All about one round's findings; the table is that of the first."""
    first = findings[0]
    lines = ["-" * WIDTH, f"FOUND in {limits['name']}, seed {plan['seed']}:"]
    for finding in findings[:8]:
        lines.append(f"  {finding}")
    if len(findings) > 8:
        lines.append(f"  ... and {len(findings) - 8} more")
    shown = list(_relevant(events, first))
    lines += ["", f"What shows the first ({len(plan['steps'])} steps of {len(plan['actors'])} clients):",
              table(shown[:120])]
    if len(shown) > 120:
        lines.append(f"... and {len(shown) - 120} more events")
    if len(plan["steps"]) <= 40:
        lines += ["", "The plan:"]
        lines += [f"{step['at']:>7} ms  {step['actor']:10} {step['do']:12} "
                  + " ".join(f"{key}={value}" for key, value in step.get("with", {}).items() if value not in (None, False))
                  for step in plan["steps"]]
    lines.append("-" * WIDTH)
    return "\n".join(lines)



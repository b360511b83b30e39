"""Believable native traffic of both provinces, seeded: for the demo, for tests, for the hub's benchmarks.

    traffic.py     all messages of a run in order; proportions.py how many of each, messages.py what they are
    world.py       people and cards (people.py, places.py); card_lives.py what happens to cards besides use
    sichuan_…, chongqing_…   the two native formats in clear: `traffic` whole messages, `uses` single uses
    faults.py      faults that must be noticed, repetitions, corrections and reversals
    clock.py       when in the day, and for which business day
    run.py         drives both adapters and waits for the hub: province.py, inbox.py send by workers.py; progress, tally, answers follow
    events.py      the same traffic as events, through the adapters' translation alone
    command.py     province-adapter simulate

Two calls are all that others need:

    tally = await simulate(SimulationSettings(inbox, sichuan_keys, chongqing_secret, events=20_000), asyncio.Event())
    for feed, event in events(seed=1, count=1_000_000): ...

`make_province_keys(directory)` of `adapters.sichuan.keys` has to be called before the Sichuan adapter starts for the first time.
"""

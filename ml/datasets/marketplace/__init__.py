"""A marketplace that never was: honest shoppers, those who abuse it, and the files that its shop would keep.

Honest shoppers sign up all through the period, or were there before it. Each has interests that drift over
categories, an hour of the day they like, a pace, a purse, devices, and a habit of coming for certain purposes: to
browse, to compare two or three things, to leaf through a gallery, to follow advertisements, to buy again what they
know, to watch a promoted item. Some are power users, night owls, deal hunters, resellers or keen reviewers: odd, and
good.

Six families abuse the shop. Their accounts are drawn from the very same shoppers, sign up on the same days, and behave
honestly in part of their sessions. In the others they take a session as an honest shopper would have made it and bend
it to their purpose. A careful attacker keeps every marginal (how much, how fast, how varied, when) close to an honest
shopper's and betrays itself by order, timing and combination:

    scraper     walks a listing sorted by price, item after item, and never turns back          bot
    click_farm  clicks a competitor's advertisements at an even rhythm, and looks at none       malicious_click
    brushing    searches, finds and orders a colluding seller's item it never looked at         fake_order, fake_review
    coattail    goes round and round between a hot item and the item to be lifted               malicious_click
    takeover    an old account wakes on a strange device, with strange tastes, and buys         account_takeover
    burst       hits a target in waves with its fellows, to a script, slowing as it is held     abnormal_traffic

Automata replay the pace of recorded sessions without knowing what was done in them: the gaps are those of honest
shoppers, in the wrong places. Targets are items that honest shoppers look at too, and change every fortnight.

`World` describes all that can be asked, `stealth` among it; `simulate(world, folder)` writes the files.
"""

from ml.datasets.marketplace.simulation import FolderTaken, simulate
from ml.datasets.marketplace.world import FAMILIES, Summary, World, WorldImpossible

__all__ = ["FAMILIES", "FolderTaken", "Summary", "World", "WorldImpossible", "simulate"]

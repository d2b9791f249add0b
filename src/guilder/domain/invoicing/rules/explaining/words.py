"""The phrases of explanations, by language. One that lacks a phrase would say nothing, so a test compares them.

A language that is not here is answered in English, its amounts and dates too: half a sentence in each helps nobody.
"""

FALLBACK = "en"

EN = {
    "fee": "{name}, {days}: {price}.",
    "fee_each": "{quantity} × {each} = {amount}",
    "fee_walk": "{quantity} units cost {walk}, together {amount}",
    "for_full": "{price} for a full period",
    "part": "The time billed is {share} of the full period ({full_days}): {amount}.",
    "in_advance": "Billed in advance.",
    "in_arrears": "Billed in arrears, for time that is over.",
    "once": "{name}: {price}, once.",
    "credit": "{name}: from {day} on, {share} of the time that {billed} was billed for is not used. {back} is given back.",
    "credit_all": "{name}: from {day} on, none of the time that {billed} was billed for is used. {back} is given back.",
    "capped": "It is not more because only {left} of what was billed had not been given back before.",
    "charge": "{name}: from {day} on, {share} of the full period ({full_days}) at {price} is {amount}.",
    "charge_all": "{name}: from {day} on, the full period ({full_days}) is billed at {price}.",
    "reinstated": "{name}: the change was undone on {day}, so the {amount} that it gave back for this time is due again.",
    "use": "{name}, {days}, {quantity} used: {walk}.",
    "use_none": "{name}, {days}: nothing was used.",
    "late": "This is for use that was reported or corrected after it had been billed.",
    "sum": "Together {exact}.",
    "rounded": "Together {exact}, rounded to {amount}.",
    "at_most": "At most {cap} is charged.",
    "before": "{before} was billed before: the difference is {difference}.",
    "before_on": "{before} was billed before, on {invoice}: the difference is {difference}.",
    "kept": "After the discount that it was billed with, that is {amount}.",
    "commitment": "{name}, {days}: at least {least} is due. Fees of {fees} and use of {use} leave {missing}.",
    "split": "This line is {part} of it; the rest is a line of its own, for prepaid credit pays one of the two.",
    "prepaid": "{name}: prepaid credit pays {amount} of the use on this invoice.",
    "correction": "{name}: of the {billed} that {invoice} billed for it, {amount} is given back.",
    "reason": "Reason: {reason}.",
    "plain": "{name}: {amount}.",
    "discount": "The discount {code} takes {amount} off.",
    "discount_percent": "The discount {code} of {percent} takes {amount} off.",
    "tax": "{percent} tax is added: {amount}.",
    "tax_back": "{percent} tax goes with it: {amount}.",
    "tax_within": "The price contains {percent} tax: {amount}.",
    "reverse_charge": "No tax is charged: you owe it as the recipient (reverse charge).",
    "exempt": "No tax is charged: you are exempt.",
    "step_free": "{units} of that free",
    "step_flat": "{flat} whatever is used",
    "step_units": "{units} × {each} = {amount}",
    "step_tier": "{units} ({reach}) × {each} = {amount}",
    "step_tier_flat": "{units} ({reach}) × {each}, and {flat} for the tier, = {amount}",
    "step_packages": "{units} packages × {each} = {amount}",
    "step_percent": "{percent} of {value} = {amount}",
    "step_percent_tier": "{percent} of {value} ({reach}) = {amount}",
    "step_percent_tier_flat": "{percent} of {value} ({reach}), and {flat} for the tier, = {amount}",
    "step_events": "{units} events × {each} = {amount}",
    "step_carried": "{amount} at the prices of what was used",
    "step_cell": "{units} ({where}) × {each} = {amount}",
    "others": "all others",
    "reach": "above {above}, up to {up_to}",
    "reach_first": "up to {up_to}",
    "reach_open": "above {above}",
    "reach_all": "all",
    "about": "about {amount}",
    "share_day": "{numerator} of {denominator} days",
    "share_day_30": "{numerator} of {denominator} days (each month counts 30)",
    "walk_total": "The lines come to {subtotal}.",
    "walk_discount": "The lines come to {before}; discounts take {discount} off, which leaves {subtotal}.",
    "walk_tax": "{percent} tax on {net} is {tax}.",
    "walk_sum": "The total is {total}.",
    "walk_credit": "{amount} of it is paid by your credit.",
    "walk_carried": "{amount} of earlier invoices, too little to be collected alone, is collected with it.",
    "walk_paid": "{amount} has been paid.",
    "walk_credited": "{amount} was taken off by credit notes.",
    "walk_due": "{amount} is to be paid.",
    "walk_nothing": "Nothing is to be paid.",
    "walk_note": "It is a credit note: {amount} is given back.",
    "walk_void": "It is void: nothing is owed for it.",
}

DE = {
    "fee": "{name}, {days}: {price}.",
    "fee_each": "{quantity} × {each} = {amount}",
    "fee_walk": "{quantity} Einheiten kosten {walk}, zusammen {amount}",
    "for_full": "{price} für einen vollen Zeitraum",
    "part": "Berechnet wird ein Teil des vollen Zeitraums ({full_days}): {share}, das sind {amount}.",
    "in_advance": "Im Voraus berechnet.",
    "in_arrears": "Nachträglich berechnet, für einen abgelaufenen Zeitraum.",
    "once": "{name}: {price}, einmalig.",
    "credit": "{name}: Von der Zeit, für die {billed} berechnet wurden, bleibt ab dem {day} ein Teil ungenutzt ({share}). "
    "Dafür werden {back} gutgeschrieben.",
    "credit_all": "{name}: Die Zeit, für die {billed} berechnet wurden, bleibt ab dem {day} ganz ungenutzt. Dafür werden "
    "{back} gutgeschrieben.",
    "capped": "Mehr ist es nicht, weil vom berechneten Betrag nur noch {left} nicht gutgeschrieben waren.",
    "charge": "{name}: Ab dem {day} wird der Rest des vollen Zeitraums ({full_days}) zum Preis von {price} berechnet: "
    "{share}, das sind {amount}.",
    "charge_all": "{name}: Ab dem {day} wird der volle Zeitraum ({full_days}) zum Preis von {price} berechnet.",
    "reinstated": "{name}: Die Änderung wurde am {day} zurückgenommen; die dafür gutgeschriebenen {amount} sind wieder "
    "fällig.",
    "use": "{name}, {days}, {quantity} genutzt: {walk}.",
    "use_none": "{name}, {days}: keine Nutzung.",
    "late": "Es geht um Nutzung, die erst nach der Abrechnung gemeldet oder berichtigt wurde.",
    "sum": "Zusammen {exact}.",
    "rounded": "Zusammen {exact}, gerundet {amount}.",
    "at_most": "Berechnet werden höchstens {cap}.",
    "before": "Davor wurden bereits {before} berechnet: Die Differenz beträgt {difference}.",
    "before_on": "Mit {invoice} wurden bereits {before} berechnet: Die Differenz beträgt {difference}.",
    "kept": "Nach dem Rabatt, mit dem es berechnet wurde, sind das {amount}.",
    "commitment": "{name}, {days}: Vereinbart sind mindestens {least}. Nach Grundgebühren von {fees} und Nutzung von {use} "
    "fehlen {missing}.",
    "split": "Diese Position umfasst {part} davon; der Rest steht daneben, weil eine der beiden mit vorausbezahltem Guthaben "
    "beglichen ist.",
    "prepaid": "{name}: {amount} der Nutzung auf dieser Rechnung sind mit vorausbezahltem Guthaben beglichen.",
    "correction": "{name}: Von den mit {invoice} berechneten {billed} werden {amount} gutgeschrieben.",
    "reason": "Grund: {reason}.",
    "plain": "{name}: {amount}.",
    "discount": "Der Rabatt {code} zieht {amount} ab.",
    "discount_percent": "Der Rabatt {code} von {percent} zieht {amount} ab.",
    "tax": "Hinzu kommen {percent} Steuer: {amount}.",
    "tax_back": "Dazu gehören {percent} Steuer: {amount}.",
    "tax_within": "Der Preis enthält {percent} Steuer: {amount}.",
    "reverse_charge": "Ohne Steuer: Sie schulden sie als Leistungsempfänger (Reverse Charge).",
    "exempt": "Ohne Steuer: Sie sind davon befreit.",
    "step_free": "{units} davon frei",
    "step_flat": "{flat} unabhängig von der Menge",
    "step_units": "{units} × {each} = {amount}",
    "step_tier": "{units} ({reach}) × {each} = {amount}",
    "step_tier_flat": "{units} ({reach}) × {each} und {flat} für die Stufe = {amount}",
    "step_packages": "{units} Pakete × {each} = {amount}",
    "step_percent": "{percent} von {value} = {amount}",
    "step_percent_tier": "{percent} von {value} ({reach}) = {amount}",
    "step_percent_tier_flat": "{percent} von {value} ({reach}) und {flat} für die Stufe = {amount}",
    "step_events": "{units} Vorgänge × {each} = {amount}",
    "step_carried": "{amount} zu den Preisen der einzelnen Nutzung",
    "step_cell": "{units} ({where}) × {each} = {amount}",
    "others": "alle übrigen",
    "reach": "über {above} bis {up_to}",
    "reach_first": "bis {up_to}",
    "reach_open": "über {above}",
    "reach_all": "alle",
    "about": "etwa {amount}",
    "share_day": "{numerator} von {denominator} Tagen",
    "share_day_30": "{numerator} von {denominator} Tagen (jeder Monat zählt 30)",
    "walk_total": "Die Positionen ergeben {subtotal}.",
    "walk_discount": "Die Positionen ergeben {before}; nach {discount} Rabatt bleiben {subtotal}.",
    "walk_tax": "{percent} Steuer auf {net} sind {tax}.",
    "walk_sum": "Der Gesamtbetrag ist {total}.",
    "walk_credit": "{amount} davon sind mit Ihrem Guthaben beglichen.",
    "walk_carried": "{amount} aus früheren Rechnungen, die für einen eigenen Einzug zu gering waren, werden mit eingezogen.",
    "walk_paid": "{amount} sind bezahlt.",
    "walk_credited": "{amount} wurden durch Gutschriften abgezogen.",
    "walk_due": "Zu zahlen sind {amount}.",
    "walk_nothing": "Es ist nichts zu zahlen.",
    "walk_note": "Dies ist eine Gutschrift: {amount} werden gutgeschrieben.",
    "walk_void": "Die Rechnung ist storniert: Es ist nichts zu zahlen.",
}

PHRASES = {"en": EN, "de": DE}


def spoken(language: str) -> str:
    """Return the tag if explanations are written in its language, else English."""
    return language if _spoken(language) in PHRASES else FALLBACK


def phrases(language: str) -> dict[str, str]:
    return PHRASES[_spoken(spoken(language))]


def _spoken(language: str) -> str:
    return language.replace("_", "-").partition("-")[0].lower()

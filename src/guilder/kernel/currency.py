"""Currencies: the ISO 4217 codes that can be billed, and how many digits their minor unit has."""

# ruff: noqa: SIM905  (150 codes read as text, not as 150 lines)

# Exponents that are not 2; everything else listed below has two digits.
_EXPONENTS = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
}
_CODES = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP "
    "CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR "
    "JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN "
    "NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SOS SRD SSP STN SVC SYP SZL "
    "THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD YER ZAR ZMW"
).split()

EXPONENTS: dict[str, int] = dict.fromkeys(_CODES, 2) | _EXPONENTS


def is_currency(code: str) -> bool:
    return code in EXPONENTS


def increment(code: str) -> int:
    """Return what charges are multiples of, in minor units: 10 where there are three digits, of which cards take two.

    An ariary (MGA) has hundredths in ISO 4217 only.
    """
    if code == "MGA":
        return 100
    return 10 if EXPONENTS[code] == 3 else 1


def exponent(code: str) -> int:
    """Return the number of digits after the point: 2 for EUR, 0 for JPY, 3 for KWD."""
    return EXPONENTS[code]

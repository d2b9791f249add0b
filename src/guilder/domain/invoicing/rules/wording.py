"""The words printed on an invoice, by language. A language that lacks one would print a gap, so a test compares them."""

_KEYS = [
    "invoice",
    "credit_note",
    "number",
    "issued",
    "due",
    "period",
    "reference",
    "corrects",
    "billed_to",
    "from",
    "tax_id",
    "registration",
    "description",
    "quantity",
    "unit_price",
    "tax",
    "amount",
    "subtotal",
    "discount",
    "total",
    "total_excluding_tax",
    "credit_applied",
    "amount_paid",
    "amount_due",
    "paid",
    "paid_on",
    "paid_with",
    "void",
    "draft",
    "pay_online",
    "page",
    "of",
    "reverse_charge",
    "payments",
    "carried_forward",
    "prices_include_tax",
]

# One line a language, in the order of the keys above, parted by "|".
_LINES = {
    "en": (
        "Invoice|Credit note|Number|Issued|Due|Period|Reference|Corrects invoice|Billed to|From|VAT ID|Registration|"
        "Description|Quantity|Unit price|Tax|Amount|Subtotal|Discount|Total|Net amount|Credit applied|Amount paid|"
        "Amount due|Paid|Paid on|with|Void|Draft|Pay online|Page|of|"
        "Reverse charge: the recipient is liable for the tax.|Payments|"
        "Carried from earlier invoices|Unit prices include tax."
    ),
    "de": (
        "Rechnung|Gutschrift|Nummer|Rechnungsdatum|Fällig am|Leistungszeitraum|Referenz|Korrigiert Rechnung|"
        "Rechnung an|Von|USt-IdNr.|Handelsregister|Beschreibung|Menge|Einzelpreis|USt.|Betrag|Zwischensumme|Rabatt|"
        "Gesamtbetrag|Nettobetrag|Verrechnetes Guthaben|Bezahlt|Offener Betrag|Bezahlt|Bezahlt am|mit|Storniert|Entwurf|"
        "Online bezahlen|Seite|von|Steuerschuldnerschaft des Leistungsempfängers (Reverse Charge).|Zahlungen|"
        "Übertrag aus früheren Rechnungen|Die Einzelpreise enthalten die Umsatzsteuer."
    ),
    "fr": (
        "Facture|Avoir|Numéro|Date d’émission|Échéance|Période|Référence|Rectifie la facture|Facturé à|De|"
        "N° de TVA|Immatriculation|Description|Quantité|Prix unitaire|TVA|Montant|Sous-total|Remise|Total|Montant HT|"
        "Crédit appliqué|Montant payé|Montant dû|Payée|Payée le|par|Annulée|Brouillon|Payer en ligne|Page|sur|"
        "Autoliquidation : la TVA est due par le preneur.|Paiements|"
        "Report de factures antérieures|Les prix unitaires s’entendent TVA comprise."
    ),
    "es": (
        "Factura|Factura rectificativa|Número|Fecha de emisión|Vencimiento|Periodo|Referencia|Rectifica la factura|"
        "Facturado a|De|NIF/IVA|Registro mercantil|Descripción|Cantidad|Precio unitario|IVA|Importe|Subtotal|Descuento|"
        "Total|Base imponible|Saldo aplicado|Importe pagado|Importe pendiente|Pagada|Pagada el|con|Anulada|Borrador|"
        "Pagar en línea|Página|de|Inversión del sujeto pasivo.|Pagos|"
        "Traspaso de facturas anteriores|Los precios unitarios incluyen el IVA."
    ),
    "it": (
        "Fattura|Nota di credito|Numero|Data di emissione|Scadenza|Periodo|Riferimento|Rettifica la fattura|"
        "Intestata a|Da|Partita IVA|Registro imprese|Descrizione|Quantità|Prezzo unitario|IVA|Importo|Subtotale|Sconto|"
        "Totale|Imponibile|Credito applicato|Importo pagato|Importo dovuto|Pagata|Pagata il|con|Annullata|Bozza|"
        "Paga online|Pagina|di|Inversione contabile (reverse charge).|Pagamenti|"
        "Riporto da fatture precedenti|I prezzi unitari comprendono l’IVA."
    ),
    "nl": (
        "Factuur|Creditnota|Nummer|Factuurdatum|Vervaldatum|Periode|Referentie|Corrigeert factuur|Gefactureerd aan|Van|"
        "Btw-nummer|KvK-nummer|Omschrijving|Aantal|Stukprijs|Btw|Bedrag|Subtotaal|Korting|Totaal|Bedrag excl. btw|"
        "Verrekend tegoed|Betaald bedrag|Te betalen|Betaald|Betaald op|met|Vervallen|Concept|Online betalen|Pagina|van|"
        "Btw verlegd.|Betalingen|"
        "Overgebracht van eerdere facturen|De stukprijzen zijn inclusief btw."
    ),
    "pt": (
        "Fatura|Nota de crédito|Número|Data de emissão|Vencimento|Período|Referência|Retifica a fatura|Faturado a|De|"
        "NIF|Registo comercial|Descrição|Quantidade|Preço unitário|IVA|Valor|Subtotal|Desconto|Total|Valor sem IVA|"
        "Crédito aplicado|Valor pago|Valor em dívida|Paga|Paga em|com|Anulada|Rascunho|Pagar online|Página|de|"
        "IVA – autoliquidação.|Pagamentos|"
        "Transporte de faturas anteriores|Os preços unitários incluem IVA."
    ),
    "pl": (
        "Faktura|Faktura korygująca|Numer|Data wystawienia|Termin płatności|Okres|Numer referencyjny|Koryguje fakturę|"
        "Nabywca|Sprzedawca|NIP|Rejestr|Opis|Ilość|Cena jedn.|VAT|Kwota|Suma częściowa|Rabat|Razem|Wartość netto|"
        "Wykorzystane saldo|Zapłacono|Do zapłaty|Zapłacona|Zapłacono dnia|metodą|Anulowana|Szkic|Zapłać online|Strona|z|"
        "Odwrotne obciążenie.|Płatności|"
        "Przeniesienie z wcześniejszych faktur|Ceny jednostkowe zawierają VAT."
    ),
    "ru": (
        "Счёт|Кредит-нота|Номер|Дата выставления|Срок оплаты|Период|Основание|Исправляет счёт|Плательщик|Поставщик|"
        "ИНН|Регистрация|Описание|Кол-во|Цена|НДС|Сумма|Промежуточный итог|Скидка|Итого|Сумма без НДС|Зачтённый кредит|"
        "Оплачено|К оплате|Оплачен|Оплачен|картой|Аннулирован|Черновик|Оплатить онлайн|Страница|из|"
        "Налог уплачивает получатель услуг.|Платежи|"
        "Перенос с прежних счетов|Цены указаны с учётом НДС."
    ),
    "ja": (
        "請求書|クレジットノート|番号|発行日|支払期限|対象期間|参照番号|訂正対象の請求書|請求先|発行元|登録番号|登記番号|"
        "内容|数量|単価|消費税|金額|小計|割引|合計|税抜金額|充当クレジット|支払済額|お支払い額|支払済|支払日|お支払い方法|無効|"
        "下書き|オンラインで支払う|ページ|/|リバースチャージ：消費税は受領者が納付します。|お支払い|"
        "前回までの繰越額|単価は税込みです。"
    ),
}

WORDS: dict[str, dict[str, str]] = {
    language: dict(zip(_KEYS, line.split("|"), strict=True)) for language, line in _LINES.items()
}


# What ISO 639-2 calls the languages that there are words in: some of them it calls by two names.
_LONG = "eng=en deu=de ger=de fra=fr fre=fr spa=es ita=it nld=nl dut=nl por=pt pol=pl rus=ru jpn=ja"
_SHORT = dict(pair.split("=") for pair in _LONG.split())


def primary_language(tag: str) -> str:
    """Return the language of a tag like `de-AT`, `pt_BR` or `deu`, whether or not there are words in it."""
    language = tag.replace("_", "-").partition("-")[0].lower()
    return _SHORT.get(language, language)

"""What the payment page says in Polish."""

from guilder.domain.orders.rules.checkout import State

SAID = {
    State.OPEN: ("Płatność", "Bezpieczna płatność na stronie naszego dostawcy płatności."),
    State.OPENING: ("Chwileczkę", "Otwieramy stronę płatności."),
    State.CONTINUE: ("Płatność", "Strona płatności jest gotowa."),
    State.TRANSFER: ("Płatność przelewem", "Prosimy przelać całą kwotę i podać tytuł dokładnie tak, jak poniżej."),
    State.PROCESSING: ("Płatność jest przetwarzana", "Czekamy na potwierdzenie. Można opuścić tę stronę."),
    State.DECLINED: ("Płatność została odrzucona", "Nic nie pobrano. Prosimy spróbować ponownie lub użyć innej karty."),
    State.PAID: ("Zapłacono. Dziękujemy!", "Otrzymaliśmy płatność. Potwierdzenie przyjdzie e-mailem."),
    State.VOID: ("Nic do zapłaty", "Ta faktura została wycofana. Nie trzeba nic robić."),
    State.EXPIRED: ("Ten link wygasł", "Prosimy poprosić o nowy link do płatności."),
}
LABELS = {
    "pay": "Zapłać",
    "again": "Spróbuj ponownie",
    "invoice": "Faktura",
    "date": "Data",
    "subtotal": "Suma częściowa",
    "total": "Razem",
    "due": "Do zapłaty",
    "transfer_amount": "Kwota",
    "transfer_reference": "Tytuł przelewu",
    "transfer_to": "Odbiorca",
    "test": "Tryb testowy: pieniądze nie są przekazywane.",
    "unknown": "Nie ma takiej strony płatności",
    "unknown_said": "Prosimy sprawdzić link lub poprosić o nowy.",
    "busy": "Chwileczkę",
    "busy_said": "Strony płatności nie można teraz otworzyć. Prosimy spróbować za minutę.",
    "saved": "Dziękujemy!",
    "saved_said": "Metoda płatności jest zapisywana. Można zamknąć tę stronę.",
    "not_saved": "Nic nie zapisano",
    "not_saved_said": "Nie dodano żadnej metody płatności. Można zamknąć tę stronę.",
}

"""What the page behind an unsubscribe link says, by language."""

from collections.abc import Mapping

from guilder.domain.notifications.model import Group

_GROUPS = (Group.REMINDERS, Group.RENEWAL_NOTICES, Group.USAGE_ALERTS)
_KEYS = (*_GROUPS, "ask", "done", "rest", "button", "unknown")

# One line a language, in the order of the keys above, parted by "|"; {} is what sort of mail it is about.
_LINES = {
    "en": (
        "reminders|notices of renewals|alerts of your use|Do you want no more {}?|You will get no more {}.|"
        "What concerns your money and your access is sent to you in any case.|No more of these|This link leads nowhere."
    ),
    "de": (
        "Erinnerungen|Hinweise auf Verlängerungen|Hinweise auf Ihren Verbrauch|Möchten Sie keine {} mehr?|"
        "Sie bekommen keine {} mehr.|Was Ihr Geld und Ihren Zugang betrifft, erfahren Sie in jedem Fall.|"
        "Nichts mehr davon|Dieser Link führt nirgendwohin."
    ),
    "fr": (
        "rappels|avis de renouvellement|alertes de consommation|Ne plus recevoir de {}\N{NO-BREAK SPACE}?|"
        "Vous ne recevrez plus de {}.|Ce qui concerne votre argent et votre accès vous est envoyé dans tous les cas.|"
        "Ne plus en recevoir|Ce lien ne mène nulle part."
    ),
    "es": (
        "recordatorios|avisos de renovación|alertas de consumo|¿No desea recibir más {}?|Ya no recibirá {}.|"
        "Lo que afecta a su dinero y a su acceso se le envía en todo caso.|No recibir más|Este enlace no lleva a ninguna parte."
    ),
    "it": (
        "promemoria|avvisi di rinnovo|avvisi di consumo|Non desidera più ricevere {}?|Non riceverà più {}.|"
        "Ciò che riguarda il suo denaro e il suo accesso le viene inviato in ogni caso.|Non riceverne più|"
        "Questo link non porta da nessuna parte."
    ),
    "nl": (
        "herinneringen|berichten over verlengingen|meldingen over uw verbruik|Wilt u geen {} meer ontvangen?|"
        "U ontvangt geen {} meer.|Wat uw geld en uw toegang betreft, krijgt u in elk geval te horen.|Niet meer ontvangen|"
        "Deze link leidt nergens heen."
    ),
    "pt": (
        "lembretes|avisos de renovação|alertas de consumo|Não deseja receber mais {}?|Não receberá mais {}.|"
        "O que diz respeito ao seu dinheiro e ao seu acesso é-lhe enviado em qualquer caso.|Não receber mais|"
        "Esta ligação não leva a lado nenhum."
    ),
    "pl": (
        "przypomnień|powiadomień o odnowieniu|powiadomień o zużyciu|Czy nie wysyłać więcej {}?|Nie będziemy już wysyłać {}.|"
        "O tym, co dotyczy pieniędzy i dostępu, powiadamiamy w każdym przypadku.|Nie wysyłać więcej|"
        "Ten link donikąd nie prowadzi."
    ),
    "ru": (
        "напоминания|уведомления о продлении|уведомления об использовании|Больше не присылать {}?|"
        "Мы больше не будем присылать {}.|О том, что касается ваших денег и вашего доступа, мы сообщаем в любом случае.|"
        "Больше не присылать|Эта ссылка никуда не ведёт."
    ),
    "ja": (
        "リマインダー|更新のお知らせ|ご利用量のお知らせ|{}の受信を停止しますか？|{}は今後お送りしません。|"
        "お支払いとご利用の可否に関わるお知らせは、必ずお送りします。|受信を停止する|このリンクは無効です。"
    ),
}
WORDS: Mapping[str, Mapping[str, str]] = {
    language: dict(zip(_KEYS, line.split("|"), strict=True)) for language, line in _LINES.items()
}

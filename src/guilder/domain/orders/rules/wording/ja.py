"""What the payment page says in Japanese."""

from guilder.domain.orders.rules.checkout import State

SAID = {
    State.OPEN: ("お支払い", "決済サービスのページで安全にお支払いいただけます。"),
    State.OPENING: ("少々お待ちください", "お支払いページを開いています。"),
    State.CONTINUE: ("お支払い", "お支払いページの準備ができました。"),
    State.TRANSFER: (
        "銀行振込でのお支払い",
        "全額をお振り込みのうえ、参照番号をここに表示されているとおりにご記入ください。",
    ),
    State.PROCESSING: ("お支払いを処理しています", "確認をお待ちしています。このページを閉じてもかまいません。"),
    State.DECLINED: (
        "お支払いは承認されませんでした",
        "請求は行われていません。もう一度、または別のカードでお試しください。",
    ),
    State.PAID: ("お支払いが完了しました", "お支払いを確認しました。領収書をメールでお送りします。"),
    State.VOID: ("お支払いは不要です", "この請求書は取り消されました。お手続きは必要ありません。"),
    State.EXPIRED: ("このリンクは期限切れです", "新しいお支払いリンクをご依頼ください。"),
}
LABELS = {
    "pay": "支払う",
    "again": "もう一度試す",
    "invoice": "請求書",
    "date": "日付",
    "subtotal": "小計",
    "total": "合計",
    "due": "お支払い額",
    "transfer_amount": "金額",
    "transfer_reference": "参照番号",
    "transfer_to": "振込先",
    "test": "テストモード：実際のお金は動きません。",
    "unknown": "このお支払いページは存在しません",
    "unknown_said": "リンクをご確認いただくか、新しいリンクをご依頼ください。",
    "busy": "少々お待ちください",
    "busy_said": "現在お支払いページを開けません。1分後にもう一度お試しください。",
    "saved": "ありがとうございます",
    "saved_said": "お支払い方法を保存しています。このページは閉じてかまいません。",
    "not_saved": "保存されませんでした",
    "not_saved_said": "お支払い方法は追加されていません。このページは閉じてかまいません。",
}

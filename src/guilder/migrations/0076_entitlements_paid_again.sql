-- What a refund took back of a subscription ends where that time is paid for anew.
grant update (until) on entitlements.revocations to guilder_app;

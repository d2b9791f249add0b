"""What HTTP says and hears of usage: `wire` in full, for every body and every refusal; `quick` what readings mostly are."""

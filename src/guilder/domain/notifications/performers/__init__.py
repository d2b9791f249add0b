"""Sending what customers are told: gathered in a transaction, written and sent in none, recorded in another."""

from guilder.domain.notifications.performers.sending import MailSending, SmsSending

__all__ = ["MailSending", "SmsSending"]

"""The one settings module: everything that differs between places comes from the environment, typed and checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django_stubs_ext

from config import database, env
from config.secret_key import secret_key

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent

# ------------------------------------------------------------------------------------------- countersign

# embedded: one host, SQLite, a worker thread. full: PostgreSQL, Redis, Celery workers and couriers.
COUNTERSIGN_MODE = env.choice("COUNTERSIGN_MODE", options=("embedded", "full"), default="embedded")
EMBEDDED = COUNTERSIGN_MODE == "embedded"
COUNTERSIGN_STATE_DIR = env.path("COUNTERSIGN_STATE_DIR", default=BASE_DIR / "var")
COUNTERSIGN_WEB_ORIGIN = env.origin("COUNTERSIGN_WEB_ORIGIN", default="http://localhost:8000")
COUNTERSIGN_CONSENT_ORIGIN = env.origin("COUNTERSIGN_CONSENT_ORIGIN", default="http://localhost:8001")
COUNTERSIGN_RP_ID = env.text("COUNTERSIGN_RP_ID", default="localhost")

if COUNTERSIGN_WEB_ORIGIN == COUNTERSIGN_CONSENT_ORIGIN:
    raise env.SettingError("COUNTERSIGN_CONSENT_ORIGIN", "must differ from COUNTERSIGN_WEB_ORIGIN")

# Allows the software sign-in keys that live in the page, if the signed policy's profile is the demo's too.
COUNTERSIGN_DEMO = env.flag("COUNTERSIGN_DEMO", default=False)
# Apps do not import upwards: here they learn who knows the active policy's profile, and which views only poll.
COUNTERSIGN_PROFILE_SELECTOR = "oms.profile.profile_active"
COUNTERSIGN_POLICY_SELECTOR = "policies.selectors.policy_active"
# What workers do again and again, the embedded thread and Celery alike.
COUNTERSIGN_SWEEPS = (
    "oms.sweep.sweep_once",
    "oms.signer_watch.signers_sweep",
    "oms.key_watch.keys_sweep",
    "oms.ceremony_watch.ceremonies_sweep",
    "oms.notifications.sweep.notices_sweep",
    "custody.leases.leases_sweep",
    "custody.sweep.sweep_once",
    "custody.ceremony_sweep.sweep_once",
    "custody.reconcile.reconcile_sweep",
    "chains.watch.nodes_sweep",
    "chains.watch.assets_sweep",
    "chains.price_services.prices_sweep",
    "policies.reports.reports_sweep",
    "policies.reconcile.reconcile_sweep",
    "policies.sweep.sweep_once",
    "audit.sequencer.sweep_once",
    "custody.checkpoints.checkpoints_sweep",
    "audit.watch.watch_sweep",
    "oms.anchor_sweep.anchors_sweep",
    "audit.alarm_ports.alarms_sweep",
    "approvals.sweep.sweep_once",
)
# Who knows the states that an export of the log is replayed against.
COUNTERSIGN_EXPORT_STATES = ("oms.selectors.request_states",)
# Who is told about alarms: functions by their dotted paths, each called after the alarm was committed.
COUNTERSIGN_ALARM_PORTS = env.dotted(
    "COUNTERSIGN_ALARM_PORTS", default="audit.alarm_ports.log_line,oms.notifications.causes.alarm_port"
)
# The hour of the day (UTC) from which limits' counters and reservations are compared, once.
COUNTERSIGN_RECONCILE_HOUR = env.integer("COUNTERSIGN_RECONCILE_HOUR", default=2, minimum=0, maximum=23)
# Where each signer listens, by its roster id; and who carries cases there.
COUNTERSIGN_SIGNER_SOCKETS = env.mapping("COUNTERSIGN_SIGNER_SOCKETS")
# Who signs the log's checkpoints (its roster id, with a socket above; empty: nobody does), and who witnesses them.
COUNTERSIGN_LOG_SIGNER = env.text("COUNTERSIGN_LOG_SIGNER", default="")
COUNTERSIGN_WITNESSES = env.urls("COUNTERSIGN_WITNESSES")
# Where attesters answer, by the names that the policy gives them; which of them count is the policy's affair. A
# signer is asked once so many of them have answered (0: more than half).
COUNTERSIGN_ATTESTERS = env.urls("COUNTERSIGN_ATTESTERS")
COUNTERSIGN_ATTESTERS_LEAST = env.integer("COUNTERSIGN_ATTESTERS_LEAST", default=0, minimum=0, maximum=64)
# Where the administrator of the machine keeps what nodes ask for: header lines, client certificates, authorities.
COUNTERSIGN_NODE_SECRETS_DIR = env.path("COUNTERSIGN_NODE_SECRETS_DIR", default=COUNTERSIGN_STATE_DIR / "nodes")
# The log's checkpoints go on chain from this wallet (CAIP-10; empty: they do not), asked by this API client of the
# roster with the Ed25519 key (hex) in this file: so often, or after so many new leaves.
COUNTERSIGN_ANCHOR_WALLET = env.text("COUNTERSIGN_ANCHOR_WALLET", default="")
COUNTERSIGN_ANCHOR_CLIENT = env.text("COUNTERSIGN_ANCHOR_CLIENT", default="anchor")
COUNTERSIGN_ANCHOR_KEY_FILE = env.path("COUNTERSIGN_ANCHOR_KEY_FILE", default=COUNTERSIGN_STATE_DIR / "anchor-key")
COUNTERSIGN_ANCHOR_SECONDS = env.integer("COUNTERSIGN_ANCHOR_SECONDS", default=3600, minimum=60, maximum=7 * 86_400)
COUNTERSIGN_ANCHOR_LEAVES = env.integer("COUNTERSIGN_ANCHOR_LEAVES", default=10_000, minimum=1, maximum=10**9)
COUNTERSIGN_SIGNER_PORT = f"custody.signer_ports.{'Socket' if EMBEDDED else 'Queue'}SignerPort"
COUNTERSIGN_POLL_VIEWS = (
    "oms:request_status",
    "oms:queue_status",
    "oms:nodes_status",
    "oms:ceremony_status",
    "admin:policies_draft_replay_status",
    "admin:policies_draft_propose_status",
)

# How long a person's session lives without them and in any case, how many they may have at once, and how fresh a
# touch of their key has to be for what is sensitive.
COUNTERSIGN_SESSION_IDLE_SECONDS = env.integer(
    "COUNTERSIGN_SESSION_IDLE_SECONDS", default=900, minimum=60, maximum=3600
)
COUNTERSIGN_SESSION_MOST_SECONDS = env.integer(
    "COUNTERSIGN_SESSION_MOST_SECONDS", default=8 * 3600, minimum=300, maximum=12 * 3600
)
COUNTERSIGN_SESSIONS_EACH = env.integer("COUNTERSIGN_SESSIONS_EACH", default=1, minimum=1, maximum=5)
COUNTERSIGN_STEP_UP_SECONDS = env.integer("COUNTERSIGN_STEP_UP_SECONDS", default=300, minimum=30, maximum=1800)
# What asks for a fresh touch when something is sent there: a server's list, since a page could forget.
COUNTERSIGN_STEP_UP_VIEWS = (
    "admin:approvals_user_add",
    "admin:approvals_user_change",
    "admin:approvals_securitykey_changelist",
    "admin:chains_chain_add",
    "admin:chains_chain_change",
    "admin:chains_node_add",
    "admin:chains_node_change",
    "admin:chains_node_changelist",
    "admin:chains_asset_add",
    "admin:chains_asset_change",
    "admin:custody_chainrule_add",
    "admin:custody_chainrule_change",
    "admin:custody_walletkey_change",
    "admin:custody_hsmmodule_add",
    "admin:custody_hsmmodule_change",
    "admin:policies_draft_propose",
    "oms:request_release",
    "oms:wallet_key",
    "approvals:person_lock",
    "approvals:person_link",
    "approvals:key_lock",
    "approvals:key_confirm",
    "approvals:enrolment_new",
    "approvals:enrolment_end",
)
# How many proxies of ours stand in front and name the visitor's address.
COUNTERSIGN_PROXIES = env.integer("COUNTERSIGN_PROXIES", default=0, minimum=0, maximum=5)
# Which models of security keys may open this site, and whose makers' root certificates (PEM files, each pinned by
# its SHA-256) vouch for them. Both empty: any model, which a production policy refuses.
COUNTERSIGN_SIGN_IN_MODELS = env.words("COUNTERSIGN_SIGN_IN_MODELS")
COUNTERSIGN_SIGN_IN_ROOTS = env.mapping("COUNTERSIGN_SIGN_IN_ROOTS")

# ---------------------------------------------------------------------------------------------- security

DEBUG = env.flag("COUNTERSIGN_DEBUG", default=False)
SECRET_KEY = secret_key("COUNTERSIGN_SECRET_KEY", state_dir=COUNTERSIGN_STATE_DIR, may_generate=EMBEDDED)
# Marks entries of the log as the application's own. Not in the database: whoever owns that one has no key.
COUNTERSIGN_AUDIT_KEY = secret_key(
    "COUNTERSIGN_AUDIT_KEY", state_dir=COUNTERSIGN_STATE_DIR, may_generate=EMBEDDED
).encode()
_WEB = urlsplit(COUNTERSIGN_WEB_ORIGIN)
_HTTPS = _WEB.scheme == "https"
ALLOWED_HOSTS = [_WEB.hostname or ""]
CSRF_TRUSTED_ORIGINS = [COUNTERSIGN_WEB_ORIGIN]

SESSION_COOKIE_NAME = "__Host-session" if _HTTPS else "session"
SESSION_COOKIE_SAMESITE = "Strict"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = _HTTPS
SESSION_COOKIE_AGE = COUNTERSIGN_SESSION_MOST_SECONDS
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
CSRF_COOKIE_NAME = "__Host-csrf" if _HTTPS else "csrf"
CSRF_COOKIE_SAMESITE = "Strict"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SECURE = _HTTPS
SECURE_SSL_REDIRECT = _HTTPS
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if _HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _HTTPS else None
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
# The consent page answers to the page that opened it; `same-origin` would cut that line.
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin-allow-popups"
X_FRAME_OPTIONS = "DENY"
# A case is a few KiB; what is larger is not a case.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

# ------------------------------------------------------------------------------------------------- mail

# What people are told by e-mail: printed, or handed to a mail server. It never holds a link or a secret.
_MAILS = env.choice("COUNTERSIGN_MAIL", options=("console", "smtp"), default="console")
EMAIL_BACKEND = f"django.core.mail.backends.{_MAILS}.EmailBackend"
EMAIL_HOST = env.text("COUNTERSIGN_MAIL_HOST", default="localhost")
EMAIL_PORT = env.integer("COUNTERSIGN_MAIL_PORT", default=587, minimum=1, maximum=65535)
EMAIL_HOST_USER = env.text("COUNTERSIGN_MAIL_USER", default="")
EMAIL_HOST_PASSWORD = env.secret("COUNTERSIGN_MAIL_PASSWORD") or ""
EMAIL_USE_TLS = env.flag("COUNTERSIGN_MAIL_TLS", default=True)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.text("COUNTERSIGN_MAIL_FROM", default="countersign@localhost")

# ------------------------------------------------------------------------------------------ applications

INSTALLED_APPS = [
    # Before the admin, whose templates it replaces.
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_otp",
    "rest_framework",
    # Ours, from the bottom up.
    "audit",
    "approvals",
    "chains",
    "custody",
    "policies",
    "oms",
]

MIDDLEWARE = [
    "config.middleware.BrowserPolicyMiddleware",
    "config.middleware.PlainPathMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "audit.context.AuditSessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "approvals.sessions.SessionLimitMiddleware",
    "approvals.step_up.StepUpMiddleware",
    # Every page is for people who have signed in; the few that are not say so themselves.
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    # The innermost: it makes a page again without a row that was edited past us.
    "oms.damage_pages.DamagedRowsMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "oms.frame.frame",
            ],
        },
    },
]

# ------------------------------------------------------------------------------------------------ people

AUTH_USER_MODEL = "approvals.User"
LOGIN_URL = "/sign-in/"
LOGIN_REDIRECT_URL = "/"

# ------------------------------------------------------------------------------------------------- data

_DATABASE_URL = env.optional(database.URL)
if _DATABASE_URL is not None:
    _DATABASE = database.postgresql(_DATABASE_URL, password=env.secret("COUNTERSIGN_DATABASE_PASSWORD"))
elif EMBEDDED:
    _DATABASE = database.sqlite(COUNTERSIGN_STATE_DIR / "countersign.sqlite3")
else:
    raise env.SettingError(database.URL, "is not set, and COUNTERSIGN_MODE=full runs on PostgreSQL")
DATABASES = {"default": _DATABASE}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# ------------------------------------------------------------------------------------- words and numbers

LANGUAGE_CODE = "en-gb"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

# ----------------------------------------------------------------------------------------- static files

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"] if (BASE_DIR / "static").is_dir() else []
# Served by the web tier itself, from where they lie: no collecting step, no second server.
WHITENOISE_USE_FINDERS = True

# ------------------------------------------------------------------------------------------------- API

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "EXCEPTION_HANDLER": "config.problems.handle",
    "COERCE_DECIMAL_TO_STRING": True,
}

# ----------------------------------------------------------------------------------------------- Celery

# Without a broker a dispatch must fail, not vanish: Celery's default would look for a server on this host.
CELERY_BROKER_URL = env.text("COUNTERSIGN_BROKER_URL", default="unset://" if EMBEDDED else None)
# Only couriers answer: what a signer said comes back this way, and is checked like any other input.
CELERY_RESULT_BACKEND = None if EMBEDDED else CELERY_BROKER_URL
CELERY_RESULT_EXPIRES = 3600
CELERY_BEAT_SCHEDULE = {"sweep": {"task": "custody.sweep", "schedule": 2.0}}
CELERY_TASK_ALWAYS_EAGER = False
# A task is acknowledged when it is done, so a killed worker's task comes back.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# Longer than any task: a task that outlives it runs twice at once.
CELERY_TASK_TIME_LIMIT = 120
CELERY_TASK_SOFT_TIME_LIMIT = 90
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 600}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_ENABLE_UTC = True

# ---------------------------------------------------------------------------------------------- logging

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "line"},
    },
    "root": {
        "handlers": ["stderr"],
        "level": env.choice("COUNTERSIGN_LOG_LEVEL", options=("DEBUG", "INFO", "WARNING", "ERROR"), default="INFO"),
    },
    # Django's own handlers would print each line a second time, or mail it.
    "loggers": {"django": {"handlers": [], "propagate": True}},
}

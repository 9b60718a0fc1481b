"""Every setting, driven by the environment. The README's deployment section lists the variables."""

import contextlib
import hashlib
import os
import secrets
import tempfile
from pathlib import Path

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from studio.version import VERSION

env = environ.Env()

BASE_DIR = Path(__file__).resolve().parent.parent
STUDIO_HOME = Path(env.str("STUDIO_HOME", default=str(BASE_DIR / ".studio"))).resolve()


def _secret_keys() -> list[str]:
    """The signing keys, newest first: from the environment, else one generated below STUDIO_HOME."""
    keys: list[str] = env.list("STUDIO_SECRET_KEY", default=[])
    if keys:
        return keys
    key_file = STUDIO_HOME / "secret-key"
    if not key_file.exists():
        STUDIO_HOME.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Written aside and linked, so that of two processes starting at once one wins and both read the same key.
        draft = key_file.with_name(f".secret-key.{secrets.token_hex(4)}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(50))
        with contextlib.suppress(FileExistsError):
            key_file.hardlink_to(draft)
        draft.unlink()
    return [key_file.read_text().strip()]


SECRET_KEY, *SECRET_KEY_FALLBACKS = _secret_keys()
DEBUG = env.bool("STUDIO_DEBUG", default=False)
ALLOWED_HOSTS: list[str] = env.list("STUDIO_ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("STUDIO_TRUSTED_ORIGINS", default=[])
HTTPS = env.bool("STUDIO_HTTPS", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "studio_session", "studio_csrf"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

INSTALLED_APPS = [
    "studio.workspaces",
    "datastores",
    "compute",
    "pipelines",
    "studio.installation",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "axes",
    "channels",
    "csp",
    "django_filters",
    "django_htmx",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "knox",
    "rest_framework",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "studio.installation.static.WholeFiles",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "studio.lib.no_such_address.SlashAppended",
    "studio.lib.rates.RateHeaders",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "studio.urls"
ASGI_APPLICATION = "studio.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "studio.workspaces.context.workspace",
            ],
        },
    },
]

DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{STUDIO_HOME / 'studio.sqlite3'}")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        # A deferred transaction that turns into a writer fails at once when another one writes; an immediate one waits.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY;",
    }
    # A file, not memory: the processes and threads of a test share it.
    DATABASES["default"]["TEST"] = {"NAME": str(STUDIO_HOME / "test.sqlite3")}
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    # A server that is frozen, or gone without a word, is given up after so long: pages say so, and nodes ask again.
    # Without these a connection that is cut silently is waited for for a quarter of an hour. DATABASE_URL may differ.
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 10,
        "tcp_user_timeout": 20_000,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 2,
        **DATABASES["default"].get("OPTIONS", {}),
    }
# A process that says nothing for so long within a transaction is gone, and the rows that it holds are free again.
TRANSACTION_SILENCE_S = env.float("STUDIO_TRANSACTION_SILENCE_S", default=30.0)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# The message broker and channel layer. `up` starts an embedded one on this socket where REDIS_URL is not given.
EMBEDDED_REDIS_SOCKET = STUDIO_HOME / "redis.sock"
if len(os.fsencode(EMBEDDED_REDIS_SOCKET)) > 100:  # a Unix socket's path holds 107 bytes
    short_name = hashlib.sha256(os.fsencode(STUDIO_HOME)).hexdigest()[:16]
    EMBEDDED_REDIS_SOCKET = Path(tempfile.gettempdir()) / f"studio-{short_name}" / "redis.sock"
REDIS_URL = env.str("REDIS_URL", default=f"unix://{EMBEDDED_REDIS_SOCKET}")
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": "studio"},
    },
}

CELERY_BROKER_URL = env.str("BROKER_URL", default=REDIS_URL.replace("unix://", "redis+socket://"))
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "control"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a worker, or a node with its steps, outlasts a broker that is away
# A broker that is away is asked once more and not again: pages and slots wait for each message that they send.
CELERY_BROKER_TRANSPORT_OPTIONS = {"max_retries": 1, "interval_start": 0, "interval_step": 0.05, "interval_max": 0.05}
if CELERY_BROKER_URL.startswith("redis"):
    # One that is frozen, or behind a network that swallows what is sent, is given up: whoever submits a run would
    # wait for as long as it stands still, and a node would hear it again only minutes after it is back.
    CELERY_BROKER_TRANSPORT_OPTIONS |= {"socket_connect_timeout": 5, "socket_timeout": 5}
CELERY_TASK_ACKS_LATE = False  # a message is only a doorbell: losing one is made good by the sweep
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
SWEEP_INTERVAL_S = env.float("STUDIO_SWEEP_INTERVAL_S", default=2.0)
CELERY_BEAT_SCHEDULER = "studio.scheduler:SteadyScheduler"
# A clock that is set back while the scheduler reckons lets it sleep for as long as this before it sees that.
CELERY_BEAT_MAX_LOOP_INTERVAL = max(1.0, SWEEP_INTERVAL_S)
CELERY_BEAT_SCHEDULE_FILENAME = str(STUDIO_HOME / "scheduler")
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "compute.sweep", "schedule": SWEEP_INTERVAL_S, "options": {"expires": 30}},
    "heartbeat": {"task": "installation.heartbeat", "schedule": 2.0, "options": {"expires": 10}},
    "sweep-data": {"task": "datastores.sweep", "schedule": 5 * SWEEP_INTERVAL_S, "options": {"expires": 30}},
    "sweep-uploads": {"task": "datastores.sweep_uploads", "schedule": 3600.0, "options": {"expires": 600}},
    "sweep-storage": {"task": "compute.sweep_storage", "schedule": 5 * SWEEP_INTERVAL_S, "options": {"expires": 30}},
    "watch-trials": {
        "task": "pipelines.watch_trials",
        "schedule": SWEEP_INTERVAL_S,
        "options": {"expires": SWEEP_INTERVAL_S},
    },
    "sweep-runs": {"task": "pipelines.sweep", "schedule": 5 * SWEEP_INTERVAL_S, "options": {"expires": 30}},
}

# How long a node may be silent before its jobs are run again, and how often it says that it lives.
NODE_LEASE_S = env.float("STUDIO_NODE_LEASE_S", default=15.0)
NODE_HEARTBEAT_S = env.float("STUDIO_NODE_HEARTBEAT_S", default=3.0)
NODE_SAMPLE_S = env.float("STUDIO_NODE_SAMPLE_S", default=10.0)
# A job that has waited for so long because nothing is large enough at once makes a node keep room for it.
HOLD_BACK_AFTER_S = env.float("STUDIO_HOLD_BACK_AFTER_S", default=60.0)
# The GPUs that a node gives out, as CUDA_VISIBLE_DEVICES names them; empty for none. Unset: those of nvidia-smi.
NODE_GPUS: list[str] | None = env.list("STUDIO_NODE_GPUS") if "STUDIO_NODE_GPUS" in env.ENVIRON else None
# The same for the worker that lists and profiles data.
DATA_LEASE_S = env.float("STUDIO_DATA_LEASE_S", default=20.0)
# Between SIGTERM and SIGKILL when a step is cancelled.
CANCEL_GRACE_S = env.float("STUDIO_CANCEL_GRACE_S", default=5.0)
# Interpreters that have imported what the last steps of their environment imported, kept ready for the next ones.
WARM_STARTS = env.bool("STUDIO_WARM_STARTS", default=True)
# How long importing may take before the environment's steps start without. It takes longer where much else is done.
WARM_IMPORT_S = env.float("STUDIO_WARM_IMPORT_S", default=180.0)
# One that no step wanted for so long is ended; at most so many; at most so much memory, or one.
WARM_IDLE_S = env.float("STUDIO_WARM_IDLE_S", default=300.0)
WARM_NESTS = env.int("STUDIO_WARM_NESTS", default=4)
WARM_MEMORY_BYTES = env.int(
    "STUDIO_WARM_MEMORY_BYTES", default=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4
)
# Whether steps run in a sandbox: where it can be had (auto), or not at all (off); `require` serves no steps without.
ISOLATION = env.str("STUDIO_ISOLATION", default="auto")
if ISOLATION not in {"auto", "require", "off"}:
    raise ImproperlyConfigured(f"STUDIO_ISOLATION is auto, require or off, and not {ISOLATION!r}.")
# Files and folders of a node that every step may read, or write, besides its own: a sandbox shows no others.
STEP_READABLE: list[str] = env.list("STUDIO_STEP_READABLE", default=[])
STEP_WRITABLE: list[str] = env.list("STUDIO_STEP_WRITABLE", default=[])
# A step whose log grows beyond this is failed with that reason.
LOG_LIMIT_BYTES = env.int("STUDIO_LOG_LIMIT_BYTES", default=4 * 1024**3)
# Limits of steps that say nothing themselves; 0: none.
STEP_MEMORY_BYTES = env.int("STUDIO_STEP_MEMORY_BYTES", default=0)
STEP_CPUS = env.float("STUDIO_STEP_CPUS", default=0.0)
STEP_OUTPUT_BYTES = env.int("STUDIO_STEP_OUTPUT_BYTES", default=0)
# Source snapshots: the limits of Azure ML's snapshots, so that a folder which fits there fits here.
SNAPSHOT_MAX_BYTES = env.int("STUDIO_SNAPSHOT_MAX_BYTES", default=300 * 1024**2)
SNAPSHOT_MAX_FILES = env.int("STUDIO_SNAPSHOT_MAX_FILES", default=2000)
# Where nodes of this machine keep environments, caches and the working folders of running steps.
NODE_HOME = Path(env.str("STUDIO_NODE_HOME", default=str(STUDIO_HOME / "node")))
# Copies of remote data that steps on this machine read; the least recently used ones go first.
DATA_CACHE_BYTES = env.int("STUDIO_DATA_CACHE_BYTES", default=20 * 1024**3)
# Environments on a node: how much room they may take (those in use stay), and how long a build and its script may.
ENVIRONMENTS_BYTES = env.int("STUDIO_ENVIRONMENTS_BYTES", default=20 * 1024**3)
BUILD_TIMEOUT_S = env.float("STUDIO_BUILD_TIMEOUT_S", default=3600.0)
SETUP_SCRIPT_TIMEOUT_S = env.float("STUDIO_SETUP_SCRIPT_TIMEOUT_S", default=600.0)
# Further package indexes that environments can name. An address may hold a password: no page or log shows it.
PACKAGE_INDEXES: dict[str, str] = dict(
    entry.strip().split("=", 1)
    for entry in env.list("STUDIO_PACKAGE_INDEXES", default=["pytorch-cpu=https://download.pytorch.org/whl/cpu"])
    if "=" in entry
)
# Hosts, addresses and networks that datastores and web addresses may reach although they are private; `*` admits all.
PRIVATE_HOSTS: list[str] = env.list("STUDIO_PRIVATE_HOSTS", default=[])
# Folders outside STUDIO_HOME that a `local folder` datastore may point into.
LOCAL_DATASTORE_ROOTS = [Path(root) for root in env.list("STUDIO_LOCAL_DATASTORE_ROOTS", default=[])]
# Of a node that does not share STUDIO_HOME: folders which it shares with the studio all the same, under the same path.
SHARED_FOLDERS = [Path(folder) for folder in env.list("STUDIO_SHARED_FOLDERS", default=[])]
# Where steps reach the web server from their node, as in `http://studio.example.org`; `manage.py up` says where it is.
PUBLIC_URL = env.str("STUDIO_PUBLIC_URL", default="")
# The socket where processes of such a node ask for the studio's folders; the node sets it, for those that it starts.
FOLDERS_GATEWAY = env.str("STUDIO_FOLDERS_GATEWAY", default="")

AUTH_USER_MODEL = "workspaces.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_TEMPLATE = "registration/locked_out.html"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL, LOGIN_REDIRECT_URL, LOGOUT_REDIRECT_URL = "login", "home", "login"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "studio.workspaces.bearer.Bearer",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": [
        "studio.lib.json_bodies.ReadableJSON",
        "rest_framework.parsers.FormParser",
        "rest_framework.parsers.MultiPartParser",
    ],
    "DEFAULT_RENDERER_CLASSES": ["studio.lib.json_answers.EncodableJSON"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PAGINATION_CLASS": "studio.lib.pagination.Pages",
    "DEFAULT_THROTTLE_CLASSES": ["studio.lib.rates.ApiRate"],
    "EXCEPTION_HANDLER": "studio.lib.api_errors.exception_handler",
    "PAGE_SIZE": 50,
}
API_RATE = env.int("STUDIO_API_RATE", default=12_000)  # requests a minute for each token or person; 0: any number
KNOX_TOKEN_MODEL = "knox.AuthToken"  # noqa: S105 (a model's name, which has to stand here since a model of ours points at it)
REST_KNOX = {"AUTH_HEADER_PREFIX": "Bearer", "TOKEN_TTL": None}
SPECTACULAR_SETTINGS = {
    "TITLE": "Pipeline Studio",
    "VERSION": VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "/static/img/favicon.svg",
    "REDOC_DIST": "SIDECAR",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "studio.lib.api_schema.tell_what_may_go_wrong",
    ],
    # Several parts have a `status`: each set of choices has a name of its own.
    "ENUM_NAME_OVERRIDES": {
        "BuildStatusEnum": "compute.states.BuildStatus",
        "CheckStatusEnum": "compute.states.CheckStatus",
    },
}

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        # CodeMirror and Plotly set styles from script; no style comes from a user.
        "style-src": [SELF, "'unsafe-inline'"],
        "img-src": [SELF, "data:", "blob:"],
        "connect-src": [SELF],
        "worker-src": [SELF],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    },
}

LANGUAGE_CODE, TIME_ZONE, USE_I18N, USE_TZ = "en", "UTC", True, True

STATIC_URL = "static/"
STATIC_ROOT = STUDIO_HOME / "static"
STATICFILES_DIRS = [("studio", BASE_DIR / "static" / "dist"), ("img", BASE_DIR / "static" / "img")]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "studio.installation.static.BuiltStaticFiles"},
}
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 3600
WHITENOISE_IMMUTABLE_FILE_TEST = r"/chunks/.+-[A-Z0-9]{8}\.js$"

DATA_UPLOAD_MAX_MEMORY_SIZE = 20 * 1024**2
DATA_UPLOAD_MAX_NUMBER_FILES = 2500
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024**2
FILE_UPLOAD_TEMP_DIR = STUDIO_HOME / "tmp"  # on the same disk as the data, so that a finished upload is renamed
for folder in (STATIC_ROOT, FILE_UPLOAD_TEMP_DIR):
    folder.mkdir(parents=True, exist_ok=True)

DEFAULT_EXCEPTION_REPORTER_FILTER = "studio.lib.error_reports.NoValues"

# At DEBUG they log requests with their signatures, addresses with tokens in them, and statements. Never wanted here.
TALKATIVE = ["adlfs", "aiobotocore", "aiohttp", "asyncio", "asyncssh", "azure", "boto3", "botocore", "fsspec"]
TALKATIVE += ["httpx", "msal", "psycopg", "pymysql", "requests", "s3fs", "s3transfer", "sqlalchemy", "sshfs", "urllib3"]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    # The health check's own 503, and a datastore that can't be reached (502): whoever asked was told.
    "filters": {
        "not_ours": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: getattr(record, "status_code", None) not in {502, 503},
        },
    },
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("STUDIO_LOG_LEVEL", default="INFO")},
    "loggers": {
        "celery": {"level": "WARNING"},
        "axes": {"level": "WARNING"},
        "uvicorn.access": {"level": "WARNING"},
        "django.request": {"filters": ["not_ours"]},
        **{name: {"level": "WARNING"} for name in TALKATIVE},
    },
}

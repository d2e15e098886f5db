"""What gunicorn serves: `services.metrics.wsgi:app`."""

from services.metrics.app import create_app

app = create_app()

"""For gunicorn: `services.incentives.wsgi:app`."""

from services.incentives.app import create_app

app = create_app()

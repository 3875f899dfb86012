"""A server that is a library, without a log: wsgi_server.py gevent|eventlet|werkzeug PORT."""

import sys

name, port = sys.argv[1], int(sys.argv[2])

if name == "gevent":
    from gevent.pywsgi import WSGIServer
    from wsgi_app import application

    WSGIServer(("127.0.0.1", port), application, log=None).serve_forever()
elif name == "eventlet":
    import eventlet
    from eventlet import wsgi
    from wsgi_app import application

    wsgi.server(eventlet.listen(("127.0.0.1", port), backlog=1024), application, log_output=False)
elif name == "werkzeug":
    import logging
    from werkzeug.serving import run_simple
    from wsgi_app import application

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    run_simple("127.0.0.1", port, application, threaded=True)

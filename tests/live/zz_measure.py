import os, socket, threading, sys, time
from test_transparent_tunnel import *
def cpu(gw):
    t=0
    for pid in gw.edges():
        f=open(f"/proc/{pid}/stat").read().rsplit(")",1)[1].split()
        t+=int(f[11])+int(f[12])
    return t*10
def test_m(site):
    g=site.gateway(action="watch")
    for n,size in ((1,400*MB),(40,4*MB),(300,64*1024),(300,300*1024)):
        c0=cpu(g); t0=time.time(); tot=0
        for _ in range(n):
            with Ends(site) as e:
                got={}
                th=receive(e.server,got); send(e.client,size,socket.SHUT_WR); th.join(100)
                e.server.shutdown(socket.SHUT_WR)
                l=g.wait_log(event="session-end",client=e.name)[0]; tot+=l["tunnel_spliced"]
        print(f"{n} x {size//1024}K: {cpu(g)-c0} ms cpu, {(cpu(g)-c0)*1000/(n*size/MB):.0f} us/MB, {time.time()-t0:.2f}s spliced {tot//MB} MB")

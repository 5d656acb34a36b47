// All that the page can do. CommonJS, since a sandboxed preload script is.

const { contextBridge, ipcRenderer } = require('electron')

contextBridge.exposeInMainWorld('queue', {
  state: () => ipcRenderer.invoke('queue:state'),
  add: (text) => ipcRenderer.invoke('queue:add', text),
  setOnline: (online) => ipcRenderer.invoke('queue:online', online),
  retry: () => ipcRenderer.invoke('queue:retry'),
  // The event stays here: it would hand the page a way to send anything.
  onState: (listener) => {
    ipcRenderer.on('queue:state', (_event, state) => listener(state))
  },
})
